/**
 * The editor, with the languages that apps are written in. Import it lazily: it is large.
 *
 * Its workers are files of this origin, as the page's policy wants it.
 */
import * as monaco from "monaco-editor/editor/editor.api.js";
// All of them: what one needs of another is not written anywhere.
import "monaco-editor/features/register.all.js";
import "monaco-editor/languages/definitions/css/register.js";
import "monaco-editor/languages/definitions/dockerfile/register.js";
import "monaco-editor/languages/definitions/go/register.js";
import "monaco-editor/languages/definitions/graphql/register.js";
import "monaco-editor/languages/definitions/html/register.js";
import "monaco-editor/languages/definitions/ini/register.js";
import "monaco-editor/languages/definitions/java/register.js";
import "monaco-editor/languages/definitions/javascript/register.js";
import "monaco-editor/languages/definitions/less/register.js";
import "monaco-editor/languages/definitions/markdown/register.js";
import "monaco-editor/languages/definitions/php/register.js";
import "monaco-editor/languages/definitions/python/register.js";
import "monaco-editor/languages/definitions/ruby/register.js";
import "monaco-editor/languages/definitions/rust/register.js";
import "monaco-editor/languages/definitions/scss/register.js";
import "monaco-editor/languages/definitions/shell/register.js";
import "monaco-editor/languages/definitions/sql/register.js";
import "monaco-editor/languages/definitions/typescript/register.js";
import "monaco-editor/languages/definitions/xml/register.js";
import "monaco-editor/languages/definitions/yaml/register.js";
import "monaco-editor/languages/features/css/register.js";
import "monaco-editor/languages/features/html/register.js";
import "monaco-editor/languages/features/json/register.js";
import * as typescript from "monaco-editor/languages/features/typescript/register.js";
import EditorWorker from "monaco-editor/editor/editor.worker.js?worker";
import CssWorker from "monaco-editor/languages/features/css/css.worker.js?worker";
import HtmlWorker from "monaco-editor/languages/features/html/html.worker.js?worker";
import JsonWorker from "monaco-editor/languages/features/json/json.worker.js?worker";
import TypeScriptWorker from "monaco-editor/languages/features/typescript/ts.worker.js?worker";

export { monaco };

const WORKERS: Record<string, new () => Worker> = {
  css: CssWorker,
  scss: CssWorker,
  less: CssWorker,
  html: HtmlWorker,
  handlebars: HtmlWorker,
  razor: HtmlWorker,
  json: JsonWorker,
  javascript: TypeScriptWorker,
  typescript: TypeScriptWorker,
};

self.MonacoEnvironment = {
  getWorker: (_id: string, label: string) => new (WORKERS[label] ?? EditorWorker)(),
};

for (const defaults of [typescript.javascriptDefaults, typescript.typescriptDefaults]) {
  // An app's packages are on its host and not here: only what is wrong in itself is marked.
  defaults.setDiagnosticsOptions({ noSemanticValidation: true, noSuggestionDiagnostics: true });
  defaults.setCompilerOptions({
    allowJs: true,
    allowNonTsExtensions: true,
    jsx: typescript.JsxEmit.ReactJSX,
    target: typescript.ScriptTarget.ESNext,
    module: typescript.ModuleKind.ESNext,
    moduleResolution: typescript.ModuleResolutionKind.NodeJs,
  });
}

const BY_NAME: Record<string, string> = {
  dockerfile: "dockerfile",
  containerfile: "dockerfile",
  ".gitignore": "ini",
  ".dockerignore": "ini",
  ".editorconfig": "ini",
  ".npmrc": "ini",
  ".env": "ini",
  ".prettierrc": "json",
};
const BY_END: Record<string, string> = {
  vue: "html",
  svelte: "html",
  astro: "html",
  toml: "ini",
  cfg: "ini",
  env: "ini",
  jsonc: "json",
  mts: "typescript",
  cts: "typescript",
  mdx: "markdown",
  bash: "shell",
};

/** The language of a file that Monaco does not know by itself. */
export function languageOf(path: string): string | undefined {
  const name = path.slice(path.lastIndexOf("/") + 1).toLowerCase();
  return BY_NAME[name] ?? BY_END[name.slice(name.lastIndexOf(".") + 1)];
}

monaco.editor.defineTheme("studio-light", {
  base: "vs",
  inherit: true,
  // What is too pale on the line that the cursor is in.
  rules: [
    { token: "comment", foreground: "5f6b7a" },
    ...["metatag.html", "metatag.xml", "delimiter.html", "delimiter.xml"].map((token) => ({ token, foreground: "5f6b7a" })),
    ...["attribute.name", "metatag.content.html", "regexp"].map((token) => ({ token, foreground: "b91c1c" })),
    ...["number", "attribute.value.number", "attribute.value.unit"].map((token) => ({ token, foreground: "07693f" })),
    ...["type", "annotation"].map((token) => ({ token, foreground: "006666" })),
  ],
  colors: {
    "editor.background": "#ffffff",
    "editorGutter.background": "#ffffff",
    "editorLineNumber.foreground": "#71717a",
    "editorLineNumber.activeForeground": "#3f3f46",
    "editor.lineHighlightBackground": "#f4f4f5",
    "editor.lineHighlightBorder": "#00000000",
    "editorWidget.border": "#e4e4e7",
    focusBorder: "#4f46e5",
    ...diffColours("#f0fdf4", "#d3f9de", "#fef2f2", "#fde3e3"),
  },
});
monaco.editor.defineTheme("studio-dark", {
  base: "vs-dark",
  inherit: true,
  rules: [{ token: "comment", foreground: "99a3b3" }],
  colors: {
    "editor.background": "#141418",
    "editorGutter.background": "#141418",
    "editorLineNumber.foreground": "#8b8b94",
    "editorLineNumber.activeForeground": "#d4d4d8",
    "editor.lineHighlightBackground": "#1b1b20",
    "editor.lineHighlightBorder": "#00000000",
    "editorWidget.background": "#1b1b20",
    "editorWidget.border": "#2a2a31",
    focusBorder: "#818cf8",
    // Behind each place of the word that the cursor is in, its colours keep their contrast.
    "editor.wordHighlightBackground": "#2a2a31",
    "editor.wordHighlightTextBackground": "#2a2a31",
    "editor.wordHighlightStrongBackground": "#2a2a31",
    ...diffColours("#14211a", "#1b3325", "#291719", "#421f22"),
  },
});

/** Quiet enough that the text on them keeps its contrast. */
function diffColours(inserted: string, insertedText: string, removed: string, removedText: string): Record<string, string> {
  return {
    "diffEditor.insertedLineBackground": inserted,
    "diffEditor.insertedTextBackground": insertedText,
    "diffEditorGutter.insertedLineBackground": inserted,
    "diffEditor.removedLineBackground": removed,
    "diffEditor.removedTextBackground": removedText,
    "diffEditorGutter.removedLineBackground": removed,
  };
}

/** Two texts side by side, one above the other where there is no room; `labels` name them. */
export function createDiff(box: HTMLElement, labels: { original: string; modified: string }, options: monaco.editor.IStandaloneDiffEditorConstructionOptions): monaco.editor.IStandaloneDiffEditor {
  const made = monaco.editor.createDiffEditor(box, {
    automaticLayout: true,
    originalEditable: false,
    useInlineViewWhenSpaceIsLimited: true,
    scrollBeyondLastLine: false,
    minimap: { enabled: false },
    renderOverviewRuler: false,
    renderFinalNewline: "on",
    fontSize: 13,
    lineHeight: 20,
    fontFamily: getComputedStyle(document.documentElement).getPropertyValue("--mono"),
    ...options,
  });
  // Given as the whole's options, the names do not arrive.
  made.getOriginalEditor().updateOptions({ ariaLabel: labels.original });
  made.getModifiedEditor().updateOptions({ ariaLabel: labels.modified });
  return made;
}

export function useTheme(dark: boolean): void {
  monaco.editor.setTheme(dark ? "studio-dark" : "studio-light");
}
