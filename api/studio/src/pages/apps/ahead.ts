/**
 * What somebody with an app opens next is the studio, and its editor is large: both are fetched while
 * the list of apps is looked at.
 */

const REST_MS = 500;
let fetching = false;
let begun = false;

/** Whether what could not be loaded just now was asked for by nobody. */
export function isAhead(): boolean {
  return fetching;
}

/** Once a page, when it has nothing else to do, and not where data is dear. */
export function fetchAhead(): void {
  const { connection } = navigator as Navigator & { connection?: { saveData?: boolean } };
  if (begun || connection?.saveData) return;
  begun = true;
  window.setTimeout(() => {
    fetching = true;
    const parts = [import("@/pages/studio/StudioPage.vue"), import("@/components/studio/EditorArea.vue"), import("@/components/studio/state/documents")];
    void Promise.allSettled(parts).then(() => (fetching = false));
  }, REST_MS);
}
