/**
 * What was typed and not saved yet, kept on this browser and offered again. Bounded in number and size:
 * the oldest go first.
 */
export interface Draft {
  content: string;
  /** The state of the file that it was typed upon. */
  etag: string;
  at: number;
}

const MOST = 40;
const LARGEST = 512 * 1024;

export class Drafts {
  private readonly prefix: string;

  constructor(userId: number, appId: number) {
    this.prefix = `studio.draft.${userId}.${appId}.`;
  }

  read(path: string): Draft | null {
    try {
      const kept = localStorage.getItem(this.prefix + path);
      return kept ? (JSON.parse(kept) as Draft) : null;
    } catch {
      return null;
    }
  }

  /** False when it could not be kept: too large, or the browser has no room or allows none. */
  keep(path: string, draft: Draft): boolean {
    if (draft.content.length > LARGEST) return false;
    const text = JSON.stringify(draft);
    for (let attempt = 0; attempt < 2; attempt++) {
      try {
        localStorage.setItem(this.prefix + path, text);
        this.bound();
        return true;
      } catch {
        if (!this.dropOldest(path)) return false;
      }
    }
    return false;
  }

  drop(path: string): void {
    try {
      localStorage.removeItem(this.prefix + path);
    } catch {
      // Then there is none.
    }
  }

  paths(): string[] {
    try {
      return Object.keys(localStorage)
        .filter((key) => key.startsWith(this.prefix))
        .map((key) => key.slice(this.prefix.length));
    } catch {
      return [];
    }
  }

  private bound(): void {
    while (this.paths().length > MOST && this.dropOldest(null)) continue;
  }

  private dropOldest(except: string | null): boolean {
    const oldest = this.paths()
      .filter((path) => path !== except)
      .sort((a, b) => (this.read(a)?.at ?? 0) - (this.read(b)?.at ?? 0))[0];
    if (oldest === undefined) return false;
    this.drop(oldest);
    return true;
  }
}
