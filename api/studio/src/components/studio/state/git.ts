import { computed, onScopeDispose, ref, shallowRef } from "vue";
import { ApiError, api, ask, asApiError } from "@/api/client";
import type { FileStatus, GitStatus, LoggedCommit } from "@/api/schema";
import type { Files } from "./files";

const WAIT = 500;
const PAGE = 30;

/** What a file's state is shown by. */
export type Mark = "added" | "changed" | "deleted" | "conflict";

export function markOf(file: FileStatus): Mark {
  if (file.index === "U" || file.worktree === "U" || (file.index === "A" && file.worktree === "A")) return "conflict";
  if (file.worktree === "D" || file.index === "D") return "deleted";
  if (file.index === "?" || file.index === "A") return "added";
  return "changed";
}

/** The app's repository in the workspace: looked at again whenever files change. */
export function useGit(appId: number, files: Files) {
  const status = shallowRef<GitStatus | null>(null);
  const commits = shallowRef<LoggedCommit[]>([]);
  const more = ref(false);
  const failure = shallowRef<ApiError | null>(null);
  const busy = ref<string | null>(null);
  const marks = computed(() => new Map((status.value?.files ?? []).map((file) => [file.path.replace(/\/$/, ""), markOf(file)])));
  let timer = 0;
  let turn = 0;
  let looking: Promise<void> = Promise.resolve();

  /** Ends once `status` or `failure` tells how it is now, whoever else looks meanwhile. */
  function look(): Promise<void> {
    return (looking = see());
  }

  async function see(): Promise<void> {
    window.clearTimeout(timer);
    timer = 0;
    const mine = ++turn;
    try {
      const found = await ask(api.GET("/api/workspace/git/status", { params: { query: { app_id: appId } } }));
      if (mine !== turn) return looking;
      const moved = status.value?.commit !== found.commit || commits.value.length === 0;
      status.value = found;
      failure.value = null;
      if (moved) await history();
    } catch (reason) {
      if (mine !== turn) return looking;
      failure.value = asApiError(reason);
    }
  }

  function soon(): void {
    timer ||= window.setTimeout(look, WAIT);
  }

  async function earlier(): Promise<void> {
    await history(commits.value.length).catch((reason: unknown) => (failure.value = asApiError(reason)));
  }

  async function history(skip = 0): Promise<void> {
    const { commits: found } = await ask(api.GET("/api/workspace/git/log", { params: { query: { app_id: appId, limit: PAGE, skip } } }));
    commits.value = skip ? [...commits.value, ...found] : found;
    more.value = found.length === PAGE;
  }

  /** Does one thing at a time; false and `failure` when it was refused. */
  async function act(name: string, what: () => Promise<unknown>): Promise<boolean> {
    if (busy.value) return false;
    busy.value = name;
    try {
      await what();
      await look();
      return true;
    } catch (reason) {
      await look();
      failure.value = asApiError(reason);
      return false;
    } finally {
      busy.value = null;
    }
  }

  const body = { app_id: appId };
  const commit = (message: string, paths: string[] | null): Promise<boolean> =>
    act("commit", () => ask(api.POST("/api/workspace/git/commit", { body: { ...body, message, paths } })));
  const push = (): Promise<boolean> => act("push", () => ask(api.POST("/api/workspace/git/push", { body })));
  const pull = (): Promise<boolean> => act("pull", () => ask(api.POST("/api/workspace/git/pull", { body })));
  const discard = (paths: string[] | null): Promise<boolean> =>
    act("discard", () => ask(api.POST("/api/workspace/git/discard", { body: { ...body, paths } })));
  const restore = (id: string): Promise<boolean> => act("restore", () => ask(api.POST("/api/workspace/git/restore", { body: { ...body, commit: id } })));

  async function patch(path: string): Promise<string> {
    const found = await ask(api.GET("/api/workspace/git/diff", { params: { query: { app_id: appId, path } } }));
    return found.truncated ? "Binary files " : found.patch;
  }

  files.onChange(soon);
  onScopeDispose(() => window.clearTimeout(timer));
  return { status, commits, more, failure, busy, marks, look, earlier, commit, push, pull, discard, restore, patch };
}

export type Git = ReturnType<typeof useGit>;
