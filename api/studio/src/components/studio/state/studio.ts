import { inject, type InjectionKey, type Ref, type ShallowRef } from "vue";
import type { AppOut } from "@/api/schema";
import type { Documents } from "./documents";
import type { Files } from "./files";
import type { Git } from "./git";
import type { Layout } from "./layout";
import type { Tabs } from "./tabs";
import type { WorkspaceState } from "./workspace";

/** What the parts of the studio page share. */
export interface Studio {
  appId: number;
  app: ShallowRef<AppOut | null>;
  workspace: WorkspaceState;
  files: Files;
  git: Git;
  tabs: Tabs;
  layout: Layout;
  /** Null until the editor has come. */
  documents: ShallowRef<Documents | null>;
  /** The terminal or editor takes the keys when it is asked to. */
  focusEditor: Ref<(() => void) | null>;
}

export const STUDIO: InjectionKey<Studio> = Symbol("studio");

export function useStudio(): Studio {
  const studio = inject(STUDIO);
  if (!studio) throw new Error("outside of the studio page");
  return studio;
}
