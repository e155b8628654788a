import type { Entry } from "@/api/schema";

/** A file or folder of the app. The root has the path "". */
export interface Node {
  path: string;
  name: string;
  type: Entry["type"];
  depth: number;
  children: Node[];
}

/** The tree of a flat listing, folders first, by name. */
export function grow(entries: Entry[]): Node {
  const root: Node = { path: "", name: "", type: "folder", depth: -1, children: [] };
  const byPath = new Map<string, Node>([["", root]]);
  // A folder comes before what is in it.
  for (const entry of entries) {
    const parent = byPath.get(folderOf(entry.path));
    if (!parent) continue;
    const node: Node = { path: entry.path, name: nameOf(entry.path), type: entry.type, depth: parent.depth + 1, children: [] };
    parent.children.push(node);
    if (entry.type === "folder") byPath.set(entry.path, node);
  }
  for (const node of byPath.values()) node.children.sort(compare);
  return root;
}

const { compare: byName } = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

function compare(a: Node, b: Node): number {
  if ((a.type === "folder") !== (b.type === "folder")) return a.type === "folder" ? -1 : 1;
  return byName(a.name, b.name) || (a.name < b.name ? -1 : 1);
}

/** What is in sight when these folders are open. */
export function visible(root: Node, open: ReadonlySet<string>): Node[] {
  const found: Node[] = [];
  const add = (node: Node): void => {
    for (const child of node.children) {
      found.push(child);
      if (child.type === "folder" && open.has(child.path)) add(child);
    }
  };
  add(root);
  return found;
}

export function find(root: Node, path: string): Node | undefined {
  if (!path) return root;
  let at: Node | undefined = root;
  let sofar = "";
  for (const part of path.split("/")) {
    sofar = sofar ? `${sofar}/${part}` : part;
    at = at?.children.find((child) => child.path === sofar);
  }
  return at;
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

export function folderOf(path: string): string {
  return path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : "";
}

export function join(folder: string, name: string): string {
  return folder ? `${folder}/${name}` : name;
}

/** Whether `path` is `folder` or something in it. */
export function within(path: string, folder: string): boolean {
  return folder === "" || path === folder || path.startsWith(`${folder}/`);
}
