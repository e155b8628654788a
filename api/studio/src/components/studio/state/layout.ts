import { reactive, type Ref, watch } from "vue";
import { useMedia } from "@/components/useMedia";
import { keep, read } from "@/stores/preferences";

export type SideView = "files" | "search" | "git";
export type NarrowView = "side" | "editor" | "bottom" | "preview";

/** How the page is laid out; sizes are percentages. Remembered on this browser. */
export interface Layout {
  side: SideView;
  sideOpen: boolean;
  bottomOpen: boolean;
  previewOpen: boolean;
  sideSize: number;
  bottomSize: number;
  previewSize: number;
  /** Which part a narrow screen shows. */
  narrow: NarrowView;
}

const FIRST: Layout = {
  side: "files",
  sideOpen: true,
  bottomOpen: true,
  previewOpen: true,
  sideSize: 17,
  bottomSize: 32,
  previewSize: 36,
  narrow: "editor",
};

/** Whether the window shows one part at a time; the style sheet knows the same width. */
export const useSmall = (): Ref<boolean> => useMedia("(max-width: 860px)");

export function useLayout(): Layout {
  const layout = reactive<Layout>({ ...FIRST, ...recall() });
  watch(layout, () => keep("layout", JSON.stringify(layout)));
  return layout;
}

function recall(): Partial<Layout> {
  try {
    const found = JSON.parse(read("layout") ?? "{}") as Record<string, unknown>;
    const same = Object.entries(FIRST).filter(([key, value]) => typeof found[key] === typeof value);
    const kept = Object.fromEntries(same.map(([key]) => [key, found[key]])) as Partial<Layout>;
    if (kept.side && !["files", "search", "git"].includes(kept.side)) delete kept.side;
    return kept;
  } catch {
    return {};
  }
}
