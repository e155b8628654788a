/**
 * Puts a text on the clipboard; false when the browser lets nobody do so. Pages of an address without
 * TLS have no `navigator.clipboard`: there the text is copied as if it were selected.
 */
export async function copyText(text: string): Promise<boolean> {
  try {
    // By its type it is always there.
    const clipboard = navigator.clipboard as Clipboard | undefined;
    if (!clipboard) return copySelected(text);
    await clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

function copySelected(text: string): boolean {
  const before = document.activeElement;
  const area = document.createElement("textarea");
  area.value = text;
  area.style.position = "fixed";
  area.style.opacity = "0";
  // Within a dialog, which would take the focus back from anything outside of it.
  (before?.closest("[role=dialog]") ?? document.body).append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (before instanceof HTMLElement) before.focus();
  return done;
}
