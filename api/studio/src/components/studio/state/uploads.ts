/** A file and where it belongs below the folder that it was dropped on. */
export interface Upload {
  path: string;
  file: File;
}

const MOST = 2000;

export function picked(list: FileList | null): Upload[] {
  return [...(list ?? [])].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
}

/** Files, and folders with all that is in them. The entries have to be taken before the first wait. */
export async function dropped(given: DataTransfer): Promise<Upload[]> {
  const entries = [...given.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  if (entries.length === 0) return picked(given.files);
  const found: Upload[] = [];
  for (const entry of entries) await walk(entry, "", found);
  return found;
}

async function walk(entry: FileSystemEntry, folder: string, found: Upload[]): Promise<void> {
  if (found.length >= MOST) return;
  const path = folder ? `${folder}/${entry.name}` : entry.name;
  if (entry instanceof FileSystemFileEntry || entry.isFile) {
    const file = await new Promise<File>((done, fail) => (entry as FileSystemFileEntry).file(done, fail));
    found.push({ path, file });
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
