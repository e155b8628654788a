/** A file and where it belongs below the folder that it was dropped on. */
export interface Upload {
  path: string;
  file: File;
}

/** What was given, and what of it is not taken: folders that are `leftOut`, and files beyond `MOST`. */
export interface Given {
  files: Upload[];
  leftOut: string[];
  cut: boolean;
}

export const MOST = 2000;
/** What is made anew by itself: the same as LEFT_OUT of ops/cli_files.py. */
const LEFT_OUT = new Set(["node_modules", ".git", ".venv", "__pycache__", "dist", ".next"]);

export function picked(list: FileList | null): Given {
  return { files: [...(list ?? [])].map((file) => ({ path: file.webkitRelativePath || file.name, file })), leftOut: [], cut: false };
}

/** Files, and folders with all that is in them. The entries have to be taken before the first wait. */
export async function dropped(given: DataTransfer): Promise<Given> {
  const entries = [...given.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  if (entries.length === 0) return picked(given.files);
  const found: Given = { files: [], leftOut: [], cut: false };
  for (const entry of entries) {
    // What was dropped alone is meant, whatever its name; but a repository is nothing to write into.
    const meant = entries.length === 1 && entry.name !== ".git";
    await walk(entry, "", found, meant);
  }
  return found;
}

async function walk(entry: FileSystemEntry, folder: string, found: Given, meant = false): Promise<void> {
  const path = folder ? `${folder}/${entry.name}` : entry.name;
  if (entry.isDirectory && LEFT_OUT.has(entry.name) && !meant) {
    found.leftOut.push(path);
    return;
  }
  if (found.cut) return;
  if (entry.isFile) {
    if (found.files.length >= MOST) {
      found.cut = true;
      return;
    }
    const file = await new Promise<File>((done, fail) => (entry as FileSystemFileEntry).file(done, fail));
    found.files.push({ path, file });
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    // A hundred at a time, until none is left.
    const some = await new Promise<FileSystemEntry[]>((done, fail) => reader.readEntries(done, fail));
    if (some.length === 0) return;
    for (const one of some) await walk(one, path, found);
  }
}

/** Does what it is given in turn; what was refused holds up nothing after it. */
export function inTurn(): (work: () => Promise<void>) => Promise<void> {
  let last = Promise.resolve();
  return (work) => (last = last.then(work, work));
}
