import { computed, onMounted, onScopeDispose } from "vue";
import { useI18n } from "vue-i18n";
import type { Choice } from "./fuzzy";

/** Something that can be asked for in the palette and, mostly, by keys. */
export interface Command {
  id: string;
  run: () => unknown;
  /** As the browser names them: `Ctrl+Shift+KeyP`, matched on Ctrl and on the Mac's command key. */
  keys?: string;
  label?: string;
}

const mac = /Mac|iP(hone|ad)/.test(navigator.platform);

/** The commands of the page: their keys work wherever the focus is but in the terminal. */
export function useCommands(commands: () => Command[]) {
  const { t } = useI18n();
  const choices = computed<Choice[]>(() =>
    commands().map((one) => ({ id: one.id, label: one.label ?? t(`studio.command.${one.id}`), keys: one.keys ? shown(one.keys) : undefined, more: one.id })),
  );

  function onKey(event: KeyboardEvent): void {
    if (event.defaultPrevented || (event.target instanceof Element && event.target.closest(".xterm") && !always(event))) return;
    const pressed = [event.ctrlKey || event.metaKey ? "Ctrl" : "", event.shiftKey ? "Shift" : "", event.altKey ? "Alt" : "", event.code].filter(Boolean).join("+");
    const found = commands().find((one) => one.keys === pressed);
    if (!found) return;
    event.preventDefault();
    event.stopPropagation();
    found.run();
  }

  // Before the editor takes them.
  onMounted(() => window.addEventListener("keydown", onKey, true));
  onScopeDispose(() => window.removeEventListener("keydown", onKey, true));
  return { choices, run: (id: string) => commands().find((one) => one.id === id)?.run() };
}

/** Keys that no shell waits for. */
function always(event: KeyboardEvent): boolean {
  return event.code === "F1" || event.code === "Backquote" || (event.ctrlKey && event.code === "Digit1") || (event.shiftKey && (event.ctrlKey || event.metaKey));
}

function shown(keys: string): string {
  const names = keys.split("+").map((key) => key.replace(/^(Key|Digit)/, "").replace("Backquote", "`"));
  return names.map((key) => (key === "Ctrl" && mac ? "⌘" : key)).join("-");
}
