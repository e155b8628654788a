import { computed, ref, watch } from "vue";

/** A terminal's tab. `session` is what the host knows its shell by: it comes back after a reload. */
export interface TerminalTab {
  key: number;
  session: string | null;
  title: number;
}

/** The host keeps no more for one user. */
export const MOST_TERMINALS = 8;

/**
 * The terminals of this browser tab. Another tab has its own: a shell is shown in one place at a time,
 * hence the storage that each tab has for itself.
 */
export function useTerminals(appId: number) {
  const storage = `studio.terminals.${appId}`;
  const tabs = ref<TerminalTab[]>(recall(storage));
  const active = ref(tabs.value[0]?.key ?? 0);
  let next = Math.max(0, ...tabs.value.map((tab) => tab.key)) + 1;
  const full = computed(() => tabs.value.length >= MOST_TERMINALS);

  watch(
    tabs,
    () => {
      try {
        sessionStorage.setItem(storage, JSON.stringify(tabs.value.filter((tab) => tab.session)));
      } catch {
        // Then a reload opens new ones.
      }
    },
    { deep: true },
  );

  function add(): void {
    if (full.value) return;
    const used = new Set(tabs.value.map((tab) => tab.title));
    let title = 1;
    while (used.has(title)) title++;
    tabs.value.push({ key: next, session: null, title });
    active.value = next++;
  }

  function remove(key: number): void {
    const at = tabs.value.findIndex((tab) => tab.key === key);
    if (at < 0) return;
    tabs.value.splice(at, 1);
    if (active.value === key) active.value = tabs.value[Math.min(at, tabs.value.length - 1)]?.key ?? 0;
  }

  return { tabs, active, full, add, remove };
}

function recall(storage: string): TerminalTab[] {
  try {
    return JSON.parse(sessionStorage.getItem(storage) ?? "[]") as TerminalTab[];
  } catch {
    return [];
  }
}

export type Terminals = ReturnType<typeof useTerminals>;
