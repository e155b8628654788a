import { computed, onScopeDispose, ref, shallowRef } from "vue";
import { ApiError, api, ask, asApiError, fetchRaw } from "@/api/client";
import { follow } from "@/api/stream";
import { find, grow, type Node, within } from "./tree";

export interface FileChange {
  path: string;
  what: "created" | "modified" | "deleted";
}

/** Told of what happened to files, whoever did it. `null`: too much at once, look at everything. */
export type Listener = (changes: FileChange[] | null) => void;

const GATHER = 150;

/** The app's files: the listing, kept up to date by what the host tells, and what can be done to them. */
export function useFiles(appId: number) {
  const root = shallowRef<Node>(grow([]));
  const loaded = ref(false);
  const truncated = ref(false);
  const failure = shallowRef<ApiError | null>(null);
  const paths = computed(() => {
    const found: string[] = [];
    const add = (node: Node): void => {
      for (const child of node.children) {
        if (child.type === "folder") add(child);
        else found.push(child.path);
      }
    };
    add(root.value);
    return found;
  });
  const listeners = new Set<Listener>();
  let stop: (() => void) | null = null;
  let timer = 0;
  let size = 0;
  let turn = 0;

  async function load(): Promise<void> {
    const mine = ++turn;
    try {
      const found = await ask(api.GET("/api/workspace/files/tree", { params: { query: { app_id: appId } } }));
      if (mine !== turn) return;
      size = found.entries.length;
      root.value = grow(found.entries);
      truncated.value = found.truncated;
      failure.value = null;
      loaded.value = true;
    } catch (reason) {
      if (mine === turn) failure.value = asApiError(reason);
    }
  }

  /** Soon, and the larger the tree the less often. */
  function reload(): void {
    if (timer) return;
    timer = window.setTimeout(() => {
      timer = 0;
      void load();
    }, GATHER + size / 10);
  }

  function tell(changes: FileChange[] | null): void {
    if (!changes || changes.some((one) => one.what === "deleted" || !find(root.value, one.path))) reload();
    for (const listener of listeners) listener(changes);
  }

  /** Begins to listen, or begins anew: the listing is read once more. */
  function watch(): void {
    stop?.();
    stop = follow({
      url: () => `/api/workspace/files/watch?app_id=${appId}`,
      events: ["ready", "changes", "reload"],
      endEvent: "end",
      onEvent(name, data) {
        // Also when it has only just begun: what was read before may have changed before it did.
        tell(name === "changes" ? (data as { changes: FileChange[] }).changes : null);
      },
    });
    void load();
  }

  function unwatch(): void {
    stop?.();
    stop = null;
  }

  onScopeDispose(() => {
    unwatch();
    window.clearTimeout(timer);
  });

  async function make(path: string, type: "file" | "folder"): Promise<void> {
    if (type === "folder") await ask(api.POST("/api/workspace/files/mkdir", { body: { app_id: appId, path } }));
    else {
      const query = { app_id: appId, path };
      await ask(api.PUT("/api/workspace/files/content", { params: { query }, body: { content: "", encoding: "utf-8", etag: "" } }));
    }
    await load();
  }

  async function move(path: string, to: string): Promise<void> {
    await ask(api.POST("/api/workspace/files/move", { body: { app_id: appId, path, to } }));
    await load();
  }

  async function remove(path: string): Promise<void> {
    await ask(api.POST("/api/workspace/files/delete", { body: { app_id: appId, path } }));
    await load();
  }

  async function upload(path: string, content: Blob): Promise<void> {
    const query = new URLSearchParams({ app_id: String(appId), path });
    await fetchRaw(`/api/workspace/files/upload?${query}`, { method: "PUT", body: content });
  }

  function downloadUrl(node: Pick<Node, "path" | "type">): string {
    const query = new URLSearchParams({ app_id: String(appId), path: node.path });
    return `/api/workspace/files/${node.type === "folder" ? "archive" : "download"}?${query}`;
  }

  function onChange(listener: Listener): void {
    listeners.add(listener);
    onScopeDispose(() => listeners.delete(listener));
  }

  const has = (path: string): boolean => find(root.value, path) !== undefined;
  return { root, paths, loaded, truncated, failure, has, load, watch, unwatch, make, move, remove, upload, downloadUrl, onChange, within };
}

export type Files = ReturnType<typeof useFiles>;
