import { nextTick, onMounted, type ShallowRef, watch } from "vue";
import type { ComposerTranslation } from "vue-i18n";

/**
 * The library's splitters take the arrow keys, and say neither what they are nor where they stand: that is
 * added to them, and again whenever `changes` does.
 */
export function useSplitters(root: Readonly<ShallowRef<HTMLElement | null>>, changes: () => unknown, t: ComposerTranslation): void {
  function describe(): void {
    for (const splitter of root.value?.querySelectorAll(".splitpanes__splitter") ?? []) {
      const pane = splitter.previousElementSibling as HTMLElement | null;
      const horizontal = splitter.getAttribute("aria-orientation") === "horizontal";
      const size = Number.parseFloat((horizontal ? pane?.style.height : pane?.style.width) ?? "");
      splitter.setAttribute("aria-label", t("studio.splitter"));
      splitter.setAttribute("aria-valuenow", String(Math.round(size) || 0));
    }
  }

  async function soon(): Promise<void> {
    // The library draws them a tick after its panes have come or gone.
    await nextTick();
    await nextTick();
    describe();
  }

  onMounted(soon);
  watch([changes, () => t("studio.splitter")], soon, { deep: true, flush: "post" });
}
