import type { Component } from "vue";

export interface Choice {
  id: string;
  label: string;
  detail?: string;
  keys?: string;
  icon?: Component;
  /** Searched as well as the label. */
  more?: string;
}

export interface Ranked {
  choice: Choice;
  pieces: { text: string; hit: boolean }[];
}

/** The choices whose letters hold the text's in order, the best first. */
export function rank(choices: Choice[], text: string, most: number): Ranked[] {
  const wanted = text.trim().toLowerCase().replace(/\s+/g, "");
  if (!wanted) return choices.slice(0, most).map((choice) => ({ choice, pieces: [{ text: choice.label, hit: false }] }));
  const scored: { choice: Choice; score: number; at: number[] }[] = [];
  for (const choice of choices) {
    const inLabel = match(choice.label, wanted);
    const found = inLabel ?? (choice.more ? match(choice.more, wanted) : null);
    if (found) scored.push({ choice, score: found.score - (inLabel ? 0 : 60), at: inLabel ? found.at : [] });
  }
  scored.sort((a, b) => b.score - a.score || a.choice.label.length - b.choice.label.length);
  return scored.slice(0, most).map(({ choice, at }) => ({ choice, pieces: pieces(choice.label, at) }));
}

function match(label: string, wanted: string): { score: number; at: number[] } | null {
  const low = label.toLowerCase();
  const whole = low.indexOf(wanted);
  if (whole >= 0) {
    const atWord = whole === 0 || /[^\p{L}\p{N}]/u.test(low[whole - 1] ?? "");
    return { score: 100 - whole + (atWord ? 40 : 0), at: Array.from({ length: wanted.length }, (_, i) => whole + i) };
  }
  const at: number[] = [];
  let score = 0;
  let from = 0;
  for (const letter of wanted) {
    const found = low.indexOf(letter, from);
    if (found < 0) return null;
    score += found === from && at.length > 0 ? 5 : -Math.min(found - from, 10) / 4;
    if (found === 0 || /[^\p{L}\p{N}]/u.test(low[found - 1] ?? "")) score += 8;
    at.push(found);
    from = found + 1;
  }
  return { score, at };
}

function pieces(label: string, at: number[]): { text: string; hit: boolean }[] {
  const hits = new Set(at);
  const found: { text: string; hit: boolean }[] = [];
  for (let i = 0; i < label.length; i++) {
    const hit = hits.has(i);
    const last = found.at(-1);
    if (last && last.hit === hit) last.text += label[i];
    else found.push({ text: label[i] ?? "", hit });
  }
  return found;
}
