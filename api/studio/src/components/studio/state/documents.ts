import { markRaw, onScopeDispose, reactive, ref, watch } from "vue";
import { ApiError, api, ask, asApiError } from "@/api/client";
import type { Content } from "@/api/schema";
import { keep, read } from "@/stores/preferences";
import { languageOf, monaco } from "../monaco";
import { type Draft, Drafts } from "./drafts";
import type { FileChange, Files } from "./files";
import { replaceText } from "./replace";
import { nameOf, within } from "./tree";

type Model = monaco.editor.ITextModel;

/**
 * An open text. `conflict`: the file has another content than what was typed upon. `draft`: text from before
 * that awaits a decision; nothing is typed until then, so that neither text replaces the other.
 */
export interface Doc {
  path: string;
  model: Model;
  etag: string;
  savedVersion: number;
  dirty: boolean;
  saving: boolean;
  problem: ApiError | null;
  conflict: Content | null;
  /** The file was deleted underneath. */
  gone: boolean;
  draft: Draft | null;
  view: monaco.editor.ICodeEditorViewState | null;
}

/** What is no text: shown when it is an image, else offered for download. */
export interface Binary {
  path: string;
  content: string;
}

const AUTO_SAVE = 800;
const KEEP_DRAFT = 250;

/** Open files: loaded, saved by their etag, followed when somebody else changes them. */
export function useDocuments(appId: number, userId: number, files: Files) {
  const docs = reactive(new Map<string, Doc>());
  const binaries = reactive(new Map<string, Binary>());
  const failures = reactive(new Map<string, ApiError>());
  const autoSave = ref(read("auto-save") !== "no");
  const drafts = new Drafts(userId, appId);
  const timers = new Map<string, { save: number; draft: number }>();
  const loading = new Map<string, Promise<void>>();

  watch(autoSave, (on) => {
    keep("auto-save", on ? "yes" : "no");
    if (on) for (const doc of docs.values()) if (doc.dirty) later(doc);
  });

  async function fetchContent(path: string): Promise<Content> {
    return ask(api.GET("/api/workspace/files/content", { params: { query: { app_id: appId, path } } }));
  }

  function open(path: string): Promise<void> {
    if (docs.has(path) || binaries.has(path)) return Promise.resolve();
    const going = loading.get(path) ?? load(path).finally(() => loading.delete(path));
    loading.set(path, going);
    return going;
  }

  async function load(path: string): Promise<void> {
    failures.delete(path);
    try {
      const found = await fetchContent(path);
      if (found.encoding === "base64") binaries.set(path, { path, content: found.content });
      else add(path, found);
    } catch (reason) {
      failures.set(path, asApiError(reason));
    }
  }

  function add(path: string, found: Content): Doc {
    const uri = monaco.Uri.from({ scheme: "file", path: `/${path}` });
    monaco.editor.getModel(uri)?.dispose();
    const model = markRaw(monaco.editor.createModel(found.content, languageOf(path), uri));
    const kept = drafts.read(path);
    if (kept && kept.content === model.getValue()) drafts.drop(path);
    docs.set(path, {
      path,
      model,
      etag: found.etag,
      savedVersion: model.getAlternativeVersionId(),
      dirty: false,
      saving: false,
      problem: null,
      conflict: null,
      gone: false,
      draft: kept && kept.content !== model.getValue() ? kept : null,
      view: null,
    });
    const doc = docs.get(path) as Doc;
    model.onDidChangeContent(() => {
      doc.dirty = doc.gone || model.getAlternativeVersionId() !== doc.savedVersion;
      if (doc.dirty) later(doc);
      else drop(doc);
    });
    return doc;
  }

  function timersOf(path: string): { save: number; draft: number } {
    const found = timers.get(path) ?? { save: 0, draft: 0 };
    timers.set(path, found);
    return found;
  }

  function later(doc: Doc): void {
    const waits = timersOf(doc.path);
    window.clearTimeout(waits.save);
    window.clearTimeout(waits.draft);
    waits.draft = window.setTimeout(() => keepDraft(doc), KEEP_DRAFT);
    if (autoSave.value && !doc.conflict && !doc.gone && !doc.draft) {
      waits.save = window.setTimeout(() => void save(doc), AUTO_SAVE);
    }
  }

  function keepDraft(doc: Doc): void {
    if (doc.dirty) drafts.keep(doc.path, { content: doc.model.getValue(), etag: doc.etag, at: Date.now() });
  }

  function drop(doc: Doc): void {
    const waits = timersOf(doc.path);
    window.clearTimeout(waits.save);
    window.clearTimeout(waits.draft);
    if (!doc.draft) drafts.drop(doc.path);
  }

  /** Saved what was there when it was asked for; false when it could not be, and the document says why. */
  async function save(doc: Doc): Promise<boolean> {
    if (doc.saving) return waitFor(doc).then(() => !doc.dirty || save(doc));
    if (doc.conflict) return false;
    window.clearTimeout(timersOf(doc.path).save);
    doc.saving = true;
    const version = doc.model.getAlternativeVersionId();
    try {
      const { etag } = await ask(
        api.PUT("/api/workspace/files/content", {
          params: { query: { app_id: appId, path: doc.path } },
          body: { content: textOf(doc.model), encoding: "utf-8", etag: doc.gone ? "" : doc.etag },
        }),
      );
      const created = doc.gone;
      Object.assign(doc, { etag, savedVersion: version, problem: null, gone: false });
      doc.dirty = doc.model.getAlternativeVersionId() !== version;
      if (!doc.dirty) drop(doc);
      if (created) void files.load();
      return true;
    } catch (reason) {
      const error = asApiError(reason);
      if (error.status === 412) await meet(doc);
      else {
        doc.problem = error;
        // A platform that is away for a moment is asked again; the draft is kept meanwhile.
        if (autoSave.value && (error.status === 0 || error.status >= 500)) timersOf(doc.path).save = window.setTimeout(() => void save(doc), 4000);
      }
      return false;
    } finally {
      doc.saving = false;
    }
  }

  async function waitFor(doc: Doc): Promise<void> {
    while (doc.saving) await new Promise((done) => window.setTimeout(done, 20));
  }

  /** Looks what the file holds now that it is another than what was typed upon. */
  async function meet(doc: Doc): Promise<void> {
    try {
      const found = await fetchContent(doc.path);
      if (found.content === textOf(doc.model)) settle(doc, found);
      else doc.conflict = found;
    } catch (reason) {
      const error = asApiError(reason);
      if (error.status === 404) Object.assign(doc, { gone: true, dirty: true });
      else doc.problem = error;
    }
  }

  function settle(doc: Doc, found: Content): void {
    Object.assign(doc, { etag: found.etag, savedVersion: doc.model.getAlternativeVersionId(), dirty: false, conflict: null, gone: false, problem: null });
    drop(doc);
  }

  /** What the file holds replaces what was typed; undo brings that back. */
  function takeTheirs(doc: Doc, found: Content): void {
    replaceText(doc.model, found.content);
    settle(doc, found);
  }

  /**
   * What was typed, or merged from both, replaces what the file held when it was looked at (`seen`). When it
   * has changed since, both are shown once more.
   */
  async function keepMine(doc: Doc, content: string, seen: Content): Promise<boolean> {
    Object.assign(doc, { etag: seen.etag, conflict: null });
    replaceText(doc.model, content);
    doc.dirty = true;
    return save(doc);
  }

  async function follow(doc: Doc): Promise<void> {
    await waitFor(doc);
    const before = doc.etag;
    let found: Content;
    try {
      found = await fetchContent(doc.path);
    } catch (reason) {
      if (asApiError(reason).status === 404) Object.assign(doc, { gone: true, dirty: true });
      return;
    }
    // Saved here meanwhile: the event of that brings the next look.
    if (doc.saving || doc.etag !== before || docs.get(doc.path) !== doc) return;
    if (found.etag === doc.etag || found.encoding === "base64") {
      doc.gone = false;
      return;
    }
    if (!doc.dirty || doc.gone || found.content === textOf(doc.model)) takeTheirs(doc, found);
    else doc.conflict = found;
  }

  files.onChange((changes: FileChange[] | null) => {
    for (const doc of docs.values()) {
      if (!changes || changes.some((one) => one.path === doc.path || (one.what !== "modified" && within(doc.path, one.path)))) void follow(doc);
    }
    // The connection was lost, and so was what could not be read meanwhile.
    if (!changes) for (const path of failures.keys()) void open(path);
    for (const path of binaries.keys()) if (!changes || changes.some((one) => one.path === path)) binaries.delete(path);
  });

  function useDraft(doc: Doc): void {
    const { draft } = doc;
    if (!draft) return;
    doc.draft = null;
    replaceText(doc.model, draft.content);
  }

  function forgetDraft(doc: Doc): void {
    doc.draft = null;
    if (!doc.dirty) drafts.drop(doc.path);
    else later(doc);
  }

  function close(path: string): void {
    const doc = docs.get(path);
    if (doc) {
      keepDraft(doc);
      const waits = timersOf(path);
      window.clearTimeout(waits.save);
      window.clearTimeout(waits.draft);
      docs.delete(path);
      doc.model.dispose();
    }
    timers.delete(path);
    binaries.delete(path);
    failures.delete(path);
  }

  /** Closes it for good: what was not saved is forgotten. */
  function abandon(path: string): void {
    const doc = docs.get(path);
    if (doc) doc.dirty = false;
    drafts.drop(path);
    close(path);
  }

  async function saveAll(): Promise<boolean> {
    const all = await Promise.all([...docs.values()].filter((doc) => doc.dirty).map(save));
    return all.every(Boolean);
  }

  /** Saves again what could not be saved while nobody was signed in. */
  function resume(): void {
    for (const doc of docs.values()) if (doc.problem?.status === 401) void save(doc);
    for (const [path, error] of failures) if (error.status === 401) void open(path);
  }

  const leave = (): void => {
    for (const doc of docs.values()) keepDraft(doc);
  };
  window.addEventListener("pagehide", leave);
  onScopeDispose(() => {
    window.removeEventListener("pagehide", leave);
    for (const path of [...docs.keys()]) close(path);
  });

  return { docs, binaries, failures, autoSave, drafts, open, save, saveAll, resume, close, abandon, takeTheirs, keepMine, useDraft, forgetDraft, nameOf };
}

function textOf(model: Model): string {
  return model.getValue(monaco.editor.EndOfLinePreference.TextDefined, true);
}

export type Documents = ReturnType<typeof useDocuments>;
