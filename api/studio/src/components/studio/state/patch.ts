/**
 * The text before a patch, of the text after it. Null when the patch does not fit: it was cut, the file
 * is binary, or was changed since.
 */
export function before(after: string, patch: string): string | null {
  if (/^Binary files /m.test(patch)) return null;
  const lines = after.split("\n");
  const found: string[] = [];
  let at = 0;
  let inHunk = false;
  let endsWithout = false;
  for (const line of patch.split("\n")) {
    const head = /^@@ -\d+(?:,\d+)? \+(\d+)(?:,(\d+))? @@/.exec(line);
    if (head) {
      // An empty side is named by the line before it.
      const from = Number(head[1]) - (head[2] === "0" ? 0 : 1);
      if (from < at || from > lines.length) return null;
      found.push(...lines.slice(at, from));
      at = from;
      inHunk = true;
    } else if (inHunk && line.startsWith("-")) {
      found.push(line.slice(1));
      endsWithout = false;
    } else if (inHunk && (line.startsWith("+") || line.startsWith(" "))) {
      if (lines[at] !== line.slice(1)) return null;
      if (line.startsWith(" ")) found.push(line.slice(1));
      at++;
      endsWithout = false;
    } else if (inHunk && line.startsWith("\\")) endsWithout = true;
    else if (line.startsWith("diff --git")) inHunk = false;
  }
  const rest = lines.slice(at);
  found.push(...rest);
  const text = found.join("\n");
  // Where the last lines differ only by their line end, the patch says so of each side.
  if (endsWithout && rest.length === 1 && rest[0] === "" && /\n-[^\n]*\n\\[^\n]*\n\+/.test(patch)) return text.replace(/\n$/, "");
  return text;
}
