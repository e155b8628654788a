import { nextTick, type ShallowRef } from "vue";
import type { ComposerTranslation } from "vue-i18n";
import type { Router } from "vue-router";
import type { Command } from "./commands";
import type { SideView } from "./layout";
import type { Studio } from "./studio";
import type { Tab } from "./tabs";

/** What parts of the page can be asked to do. */
export interface Focusable {
  focus: () => void;
}
export interface FilesHandle extends Focusable {
  create: (type: "file" | "folder") => void;
  upload: () => void;
  download: () => void;
}
export interface BottomHandle {
  showOutput: () => void;
  showTerminal: (anew?: boolean) => void;
}
export interface PreviewHandle extends Focusable {
  reload: () => Promise<void>;
  share: () => void;
}
export interface PalettesHandle {
  show: (which: "commands" | "files") => void;
}

type Handle<Type> = Readonly<ShallowRef<Type | null>>;

export interface Page {
  studio: Studio;
  router: Router;
  t: ComposerTranslation;
  bottom: Handle<BottomHandle>;
  filesPanel: Handle<FilesHandle>;
  searchPanel: Handle<Focusable>;
  gitPanel: Handle<Focusable>;
  editor: Handle<{ save: () => Promise<void> }>;
  preview: Handle<PreviewHandle>;
  code: Handle<{ open: () => Promise<void> }>;
  palettes: Handle<PalettesHandle>;
  close: (tab: Tab) => Promise<void>;
  deploy: () => void;
}

/** Everything that the page does, by name and by keys. */
export function usePageCommands(page: Page) {
  const { studio, t } = page;
  const { layout, documents, tabs, workspace } = studio;

  async function showEditor(): Promise<void> {
    layout.narrow = "editor";
    // Out of sight, on a phone, it takes no focus.
    await nextTick();
    studio.focusEditor.value?.();
  }

  async function showSide(view: SideView): Promise<void> {
    layout.side = view;
    layout.sideOpen = true;
    layout.narrow = "side";
    await nextTick();
    ({ files: page.filesPanel, search: page.searchPanel, git: page.gitPanel })[view].value?.focus();
  }

  async function showBottom(what: "output" | "terminal", anew = false): Promise<void> {
    layout.bottomOpen = true;
    layout.narrow = "bottom";
    await nextTick();
    if (what === "output") page.bottom.value?.showOutput();
    else page.bottom.value?.showTerminal(anew);
  }

  async function inPreview(what: (pane: PreviewHandle) => void): Promise<void> {
    layout.previewOpen = true;
    layout.narrow = "preview";
    await nextTick();
    if (page.preview.value) what(page.preview.value);
  }

  async function inFiles(what: (panel: FilesHandle) => void): Promise<void> {
    await showSide("files");
    if (page.filesPanel.value) what(page.filesPanel.value);
  }

  const newFile = (): Promise<void> => inFiles((panel) => panel.create("file"));

  const commands = (): Command[] => [
    { id: "palette", keys: "Ctrl+Shift+KeyP", label: t("studio.palette.title"), run: () => page.palettes.value?.show("commands") },
    { id: "help", keys: "F1", label: t("studio.palette.title"), run: () => page.palettes.value?.show("commands") },
    { id: "quickOpen", keys: "Ctrl+KeyP", label: t("studio.palette.files"), run: () => page.palettes.value?.show("files") },
    { id: "save", keys: "Ctrl+KeyS", run: () => page.editor.value?.save() },
    { id: "saveAll", keys: "Ctrl+Shift+KeyS", run: () => documents.value?.saveAll() },
    { id: documents.value?.autoSave.value ? "autoSaveOff" : "autoSaveOn", run: () => documents.value && (documents.value.autoSave.value = !documents.value.autoSave.value) },
    { id: "closeTab", keys: "Alt+KeyW", run: () => tabs.active.value && page.close(tabs.active.value) },
    { id: "newFile", run: newFile },
    { id: "newFolder", run: () => inFiles((panel) => panel.create("folder")) },
    { id: "upload", run: () => inFiles((panel) => panel.upload()) },
    { id: "zip", run: () => inFiles((panel) => panel.download()) },
    { id: "focusEditor", keys: "Ctrl+Digit1", run: showEditor },
    { id: "showFiles", keys: "Ctrl+Shift+KeyE", run: () => showSide("files") },
    { id: "showSearch", keys: "Ctrl+Shift+KeyF", run: () => showSide("search") },
    { id: "showGit", keys: "Ctrl+Shift+KeyG", run: () => showSide("git") },
    { id: "terminal", keys: "Ctrl+Shift+Backquote", run: () => showBottom("terminal", true) },
    { id: "focusTerminal", keys: "Ctrl+Backquote", run: () => showBottom("terminal") },
    { id: "output", keys: "Ctrl+Shift+KeyU", run: () => showBottom("output") },
    { id: "bottom", keys: "Ctrl+KeyJ", run: () => (layout.bottomOpen = !layout.bottomOpen) },
    { id: "preview", run: () => (layout.previewOpen = !layout.previewOpen) },
    { id: "focusPreview", run: () => inPreview((pane) => pane.focus()) },
    { id: "reload", run: () => page.preview.value?.reload() },
    { id: "share", label: t("studio.share.open"), run: () => inPreview((pane) => pane.share()) },
    { id: "run", label: t("studio.run.do.dev"), run: () => workspace.start("dev") },
    { id: "install", label: t("studio.run.do.install"), run: () => workspace.start("install") },
    { id: "build", label: t("studio.run.do.build"), run: () => workspace.start("build") },
    { id: "stop", label: t("studio.run.stop"), run: () => workspace.stop() },
    { id: "deploy", run: () => page.deploy() },
    { id: "code", label: t("studio.code.open"), run: () => page.code.value?.open() },
    { id: "app", run: () => page.router.push(`/app/${studio.appId}`) },
  ];

  return { commands, showSide, showBottom, newFile };
}
