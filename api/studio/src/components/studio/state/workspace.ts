import { computed, onScopeDispose, ref, shallowRef } from "vue";
import { ApiError, api, ask, asApiError } from "@/api/client";
import type { RunOut, RunTask, WorkspaceOut } from "@/api/schema";

/** Where the workspace stands for this page. `elsewhere`: another app was opened in it. */
export type Phase = "opening" | "ready" | "closed" | "elsewhere" | "down" | "failed";

/** A part of the platform is away, or nobody is signed in any more: neither lasts. */
const passes = (error: ApiError | null): boolean => error !== null && [0, 401, 502, 503, 504].includes(error.status);

const IDLE: RunOut = { state: "IDLE", log_tail: [] };
const SOON = 700;
const CALM = 4000;

/** The workspace with this app in it: opened at once, then looked at while the page is in sight. */
export function useWorkspace(appId: number) {
  const view = shallowRef<WorkspaceOut | null>(null);
  const failure = shallowRef<ApiError | null>(null);
  const asking = ref(true);
  const runFailure = shallowRef<ApiError | null>(null);
  const runAsked = ref<"start" | "stop" | null>(null);
  /** It was closed before this page opened it: what ran then ended with it. */
  const slept = ref(false);
  let timer = 0;
  let over = false;

  const phase = computed<Phase>(() => {
    if (view.value?.status === "RUNNING" && view.value.app_id === appId) return "ready";
    if (asking.value) return "opening";
    if (failure.value) return passes(failure.value) ? "down" : "failed";
    if (view.value?.status === "NODE_DOWN") return "down";
    if (view.value?.status === "RUNNING") return "elsewhere";
    return view.value?.status === "STARTING" ? "opening" : "closed";
  });
  /** The latest run of this app; another app's is none of this page's. */
  const run = computed<RunOut>(() => (view.value?.run.app_id === appId ? view.value.run : IDLE));
  const moving = computed(
    () => runAsked.value !== null || run.value.state === "STARTING" || run.value.state === "STOPPING",
  );
  const serves = computed(
    () => phase.value === "ready" && run.value.state === "RUNNING" && (run.value.task === "dev" || run.value.task === "start"),
  );

  async function look(): Promise<void> {
    window.clearTimeout(timer);
    try {
      if (!document.hidden) {
        view.value = await ask(api.GET("/api/workspace"));
        // What was away when it was to be opened is back.
        if (passes(failure.value) && phase.value !== "ready") return void (await open(true));
      }
    } catch {
      // What was known stays on the page; the next look tells more.
    }
    later();
  }

  function later(): void {
    window.clearTimeout(timer);
    if (over) return;
    timer = window.setTimeout(look, phase.value === "opening" || moving.value ? SOON : CALM);
  }

  /** `quietly`: what is shown stays until it is open. */
  async function open(quietly = false): Promise<void> {
    if (!quietly) failure.value = null;
    asking.value = !quietly;
    try {
      slept.value = (await ask(api.GET("/api/workspace"))).status === "STOPPED";
      view.value = await ask(api.POST("/api/workspace/open", { body: { app_id: appId } }));
      // A large repository takes longer than an answer.
      while (!over && view.value?.status === "STARTING") {
        await new Promise((done) => window.setTimeout(done, SOON));
        view.value = await ask(api.GET("/api/workspace"));
      }
      failure.value = null;
    } catch (reason) {
      failure.value = asApiError(reason);
    } finally {
      asking.value = false;
      later();
    }
  }

  async function start(task: RunTask): Promise<void> {
    await change("start", () => ask(api.POST("/api/workspace/run", { body: { app_id: appId, task } })));
  }

  async function stop(): Promise<void> {
    await change("stop", () => ask(api.DELETE("/api/workspace/run")));
  }

  async function change(what: "start" | "stop", call: () => Promise<RunOut>): Promise<void> {
    if (runAsked.value) return;
    runAsked.value = what;
    runFailure.value = null;
    try {
      const answer = await call();
      if (view.value) view.value = { ...view.value, run: answer };
    } catch (reason) {
      runFailure.value = asApiError(reason);
    } finally {
      runAsked.value = null;
      void look();
    }
  }

  const seen = (): void => {
    if (!document.hidden) void look();
  };
  document.addEventListener("visibilitychange", seen);
  onScopeDispose(() => {
    over = true;
    window.clearTimeout(timer);
    document.removeEventListener("visibilitychange", seen);
  });
  return { view, phase, failure, slept, run, runAsked, runFailure, moving, serves, open, start, stop, look };
}

export type WorkspaceState = ReturnType<typeof useWorkspace>;
