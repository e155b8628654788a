/** Opens a tab for an address that has yet to be asked for; `meanwhile` is what it says until then. */
export async function inNewTab(address: () => Promise<string>, meanwhile = ""): Promise<void> {
  // Opened at once, so that no blocker takes it for a pop-up; it may not reach back to this page.
  const opened = window.open("about:blank", "_blank");
  if (opened) {
    opened.opener = null;
    opened.document.title = meanwhile;
    opened.document.body.textContent = meanwhile;
  }
  try {
    const url = await address();
    opened?.location.replace(url);
  } catch (reason) {
    opened?.close();
    throw reason;
  }
}
