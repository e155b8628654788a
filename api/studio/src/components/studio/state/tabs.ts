import { computed, ref, watch } from "vue";
import { keep, read } from "@/stores/preferences";
import { within } from "./tree";

/** `file`: an open file. `diff`: what changed in it since the last commit. */
export interface Tab {
  kind: "file" | "diff";
  path: string;
}

/** Where the editor is to go once it shows the file. Lines and columns count from 1; line 0: where it was. */
export interface Place {
  path: string;
  line: number;
  column: number;
}

const MOST_KEPT = 30;

export const tabId = (tab: Tab): string => `${tab.kind}:${tab.path}`;

/** The tabs of the editor, remembered for each app. */
export function useTabs(appId: number) {
  const kept = recall(appId);
  const tabs = ref<Tab[]>(kept.tabs);
  const activeId = ref(kept.active);
  const place = ref<Place | null>(null);
  /** Counts what was asked for, also what was open already: it is to come into sight. */
  const asked = ref(0);
  const active = computed<Tab | null>(() => tabs.value.find((tab) => tabId(tab) === activeId.value) ?? null);

  watch(
    [tabs, activeId],
    () => keep(`tabs.${appId}`, JSON.stringify({ tabs: tabs.value.slice(-MOST_KEPT), active: activeId.value })),
    { deep: true },
  );

  function show(tab: Tab): void {
    if (!tabs.value.some((one) => tabId(one) === tabId(tab))) {
      const at = tabs.value.findIndex((one) => tabId(one) === activeId.value);
      tabs.value.splice(at < 0 ? tabs.value.length : at + 1, 0, { ...tab });
    }
    activeId.value = tabId(tab);
  }

  function open(tab: Tab): void {
    show(tab);
    asked.value++;
  }

  function openFile(path: string, line?: number, column = 1): void {
    open({ kind: "file", path });
    if (line !== undefined) place.value = { path, line, column };
  }

  /** Shows a file where nothing is open. Nobody asked for it: what is looked at meanwhile stays in sight. */
  function begin(path: string): void {
    if (tabs.value.length === 0) show({ kind: "file", path });
  }

  function close(id: string): void {
    const at = tabs.value.findIndex((tab) => tabId(tab) === id);
    if (at < 0) return;
    tabs.value.splice(at, 1);
    if (activeId.value === id) {
      const next = tabs.value[Math.min(at, tabs.value.length - 1)];
      activeId.value = next ? tabId(next) : "";
    }
  }

  /** What is open follows a file or folder to its new name. */
  function moved(from: string, to: string): void {
    const wasActive = active.value;
    for (const tab of tabs.value) {
      if (!within(tab.path, from)) continue;
      const renamed = to + tab.path.slice(from.length);
      const isActive = wasActive === tab;
      tab.path = renamed;
      if (isActive) activeId.value = tabId(tab);
    }
  }

  function step(by: number): void {
    const at = tabs.value.findIndex((tab) => tabId(tab) === activeId.value);
    const next = tabs.value[(at + by + tabs.value.length) % tabs.value.length];
    if (next) activeId.value = tabId(next);
  }

  return { tabs, activeId, active, place, asked, begin, open, openFile, close, moved, step };
}

function recall(appId: number): { tabs: Tab[]; active: string } {
  try {
    const found = JSON.parse(read(`tabs.${appId}`) ?? "") as { tabs: Tab[]; active: string };
    const sound = found.tabs.filter((tab) => typeof tab.path === "string" && (tab.kind === "file" || tab.kind === "diff"));
    return { tabs: sound, active: String(found.active) };
  } catch {
    return { tabs: [], active: "" };
  }
}

export type Tabs = ReturnType<typeof useTabs>;
