import { computed, onScopeDispose, ref, shallowRef } from "vue";
import { ApiError, api, ask, asApiError } from "@/api/client";
import type { RunOut, RunTask, WorkspaceOut } from "@/api/schema";

/** Where the workspace stands for this page. `elsewhere`: another app was opened in it. */
export type Phase = "opening" | "ready" | "closed" | "elsewhere" | "down" | "failed";

/** A part of the platform is away, or nobody is signed in any more: neither lasts. */
const passes = (error: ApiError | null): boolean => error !== null && [0, 401, 502, 503, 504].includes(error.status);

/** Reports of an app that holds nothing to run yet: no failure of anybody. */
const NOTHING = ["run_nothing", "run_no_script"];

const IDLE: RunOut = { state: "IDLE", log_tail: [] };
const SOON = 700;
const CALM = 4000;

const pause = (time: number): Promise<void> => new Promise((done) => window.setTimeout(done, time));
const goesOn = (run: RunOut): boolean => ["STARTING", "RUNNING", "STOPPING"].includes(run.state);

/**
 * The workspace with this app in it: opened at once, then looked at while the page is in sight. `refused` is
 * told why what somebody asked to start or stop did not.
 */
export function useWorkspace(appId: number, refused: (reason: ApiError) => void) {
  const view = shallowRef<WorkspaceOut | null>(null);
  const failure = shallowRef<ApiError | null>(null);
  const asking = ref(true);
  const runFailure = shallowRef<ApiError | null>(null);
  const runAsked = ref<"start" | "stop" | null>(null);
  const taskAsked = ref<RunTask | null>(null);
  /** It was closed before this page opened it: what ran then ended with it. */
  const slept = ref(false);
  let timer = 0;
  let over = false;
  let turn = Promise.resolve();

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
  /** It is open, nothing of the app runs, and nothing is about to. */
  const idle = computed(() => phase.value === "ready" && !moving.value && run.value.state !== "RUNNING");
  /** What is started, or ran last. */
  const task = computed(() => (runAsked.value === "start" ? taskAsked.value : null) ?? run.value.task ?? null);
  /** The app holds nothing to run. */
  const empty = computed(() => NOTHING.includes(run.value.report?.code ?? ""));

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
        await pause(SOON);
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

  /** One task runs at a time: another one of this app makes room. `unasked`: nobody waits for an answer. */
  function start(wanted: RunTask, unasked = false): Promise<void> {
    return change("start", unasked, async () => {
      taskAsked.value = wanted;
      if (goesOn(run.value) && (run.value.task !== wanted || run.value.state === "STOPPING")) await makeRoom();
      return ask(api.POST("/api/workspace/run", { body: { app_id: appId, task: wanted } }));
    });
  }

  async function makeRoom(): Promise<void> {
    runAsked.value = "stop";
    let now = await ask(api.GET("/api/workspace/run"));
    // What runs of another app by now is not this page's to stop.
    if (now.app_id === appId && goesOn(now)) now = await ask(api.DELETE("/api/workspace/run"));
    while (!over && now.app_id === appId && now.state === "STOPPING") {
      await pause(SOON);
      now = await ask(api.GET("/api/workspace/run"));
    }
    take(now);
    runAsked.value = "start";
  }

  function stop(): Promise<void> {
    return change("stop", false, () => ask(api.DELETE("/api/workspace/run")));
  }

  function take(now: RunOut): void {
    if (view.value) view.value = { ...view.value, run: now };
  }

  /** One after the other, so that nothing that is asked for meanwhile is dropped. */
  function change(what: "start" | "stop", unasked: boolean, call: () => Promise<RunOut>): Promise<void> {
    turn = turn.then(() => changed(what, unasked, call));
    return turn;
  }

  async function changed(what: "start" | "stop", unasked: boolean, call: () => Promise<RunOut>): Promise<void> {
    if (over) return;
    runAsked.value = what;
    runFailure.value = null;
    let failed: ApiError | null = null;
    try {
      take(await call());
    } catch (reason) {
      failed = asApiError(reason);
    }
    const looked = look();
    // The run itself may tell of it, and that first.
    if (failed) await looked;
    runAsked.value = null;
    runFailure.value = failed;
    if (failed && !unasked) refused(failed);
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
  return { view, phase, failure, slept, run, task, empty, runAsked, runFailure, moving, serves, idle, open, start, stop, look };
}

export type WorkspaceState = ReturnType<typeof useWorkspace>;
