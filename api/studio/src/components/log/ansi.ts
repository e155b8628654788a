/** A piece of a line and the classes it is shown with. */
export interface Span {
  text: string;
  style: string;
}

const COLOURS = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];
const SEQUENCE = /\x1b\[([0-9;:]*)m/g;
// Whatever else of control is in a line is not for a page. The platform removes it; this makes sure.
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g;

interface Style {
  colour: string;
  marks: Set<string>;
}

/** A line with SGR colours as pieces of text; no sequence of it can become markup. */
export function spans(line: string): Span[] {
  const found: Span[] = [];
  const style: Style = { colour: "", marks: new Set() };
  let from = 0;
  for (const match of line.matchAll(SEQUENCE)) {
    push(found, line.slice(from, match.index), style);
    from = match.index + match[0].length;
    apply(style, match[1] ?? "");
  }
  push(found, line.slice(from), style);
  return found;
}

export function plain(line: string): string {
  return line.replace(SEQUENCE, "").replace(CONTROL, "");
}

function push(found: Span[], raw: string, style: Style): void {
  const text = raw.replace(CONTROL, "");
  if (text) found.push({ text, style: [style.colour, ...style.marks].filter(Boolean).join(" ") });
}

function apply(style: Style, codes: string): void {
  const numbers = codes.split(/[;:]/).map((code) => Number(code || 0));
  for (let i = 0; i < numbers.length; i++) {
    const code = numbers[i] ?? 0;
    if (code === 0) reset(style);
    else if (code === 1) style.marks.add("ansi-bold");
    else if (code === 2) style.marks.add("ansi-dim");
    else if (code === 3) style.marks.add("ansi-italic");
    else if (code === 4) style.marks.add("ansi-underline");
    else if (code === 22) for (const mark of ["ansi-bold", "ansi-dim"]) style.marks.delete(mark);
    else if (code === 23) style.marks.delete("ansi-italic");
    else if (code === 24) style.marks.delete("ansi-underline");
    else if (code === 39) style.colour = "";
    else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) style.colour = named(code % 10);
    else if (code === 38 || code === 48) {
      // 256 colours: the first 16 have names here, the others are shown plain. True colour too.
      const value = numbers[i + 2] ?? 0;
      if (code === 38 && numbers[i + 1] === 5) style.colour = value < 16 ? named(value % 8) : "";
      i += numbers[i + 1] === 5 ? 2 : 4;
    }
  }
}

function named(index: number): string {
  return `ansi-${COLOURS[index] ?? "white"}`;
}

function reset(style: Style): void {
  style.colour = "";
  style.marks.clear();
}
