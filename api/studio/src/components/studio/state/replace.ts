import { monaco } from "../monaco";

/** Replaces a text by another; only what differs is touched, so that cursors and folds stay. */
export function replaceText(model: monaco.editor.ITextModel, wanted: string): void {
  const text = wanted.replace(/\r\n?/g, "\n");
  const now = model.getValue(monaco.editor.EndOfLinePreference.LF);
  const most = Math.min(now.length, text.length);
  let head = 0;
  while (head < most && now[head] === text[head]) head++;
  let tail = 0;
  while (tail < most - head && now[now.length - 1 - tail] === text[text.length - 1 - tail]) tail++;
  // Offsets of the model count its own line ends.
  const at = (offset: number): monaco.IPosition => {
    const before = now.slice(0, offset);
    return { lineNumber: before.split("\n").length, column: offset - before.lastIndexOf("\n") };
  };
  const range = monaco.Range.fromPositions(at(head), at(now.length - tail));
  model.pushStackElement();
  model.pushEditOperations([], [{ range, text: text.slice(head, text.length - tail) }], () => null);
  model.pushStackElement();
}
