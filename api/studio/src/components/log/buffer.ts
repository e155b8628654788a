import { shallowRef, triggerRef } from "vue";

export interface Line {
  n: number;
  text: string;
}

/** How many lines a page keeps. */
export const KEPT = 20_000;

/**
 * Lines as they come, shown once a frame. Bounded: beyond `KEPT` the oldest go, and `dropped` counts
 * them. A line whose number was seen before (a stream that began again) is ignored.
 */
export function lineBuffer(kept: number = KEPT) {
  const lines = shallowRef<Line[]>([]);
  const dropped = shallowRef(0);
  let waiting: Line[] = [];
  let last = -1;
  let frame = 0;

  function flush(): void {
    frame = 0;
    const all = lines.value;
    for (const line of waiting) all.push(line);
    waiting = [];
    // By the thousand, so that a long log does not move its array for each line.
    if (all.length > kept + 1000) {
      dropped.value += all.length - kept;
      all.splice(0, all.length - kept);
    }
    triggerRef(lines);
  }

  function push(text: string, n: number = last + 1): void {
    if (n <= last) return;
    last = n;
    waiting.push({ n, text });
    // A page in the background gets no frames; what waits must not grow there.
    if (waiting.length > 5000) flush();
    else frame ||= requestAnimationFrame(flush);
  }

  function clear(): void {
    cancelAnimationFrame(frame);
    frame = 0;
    waiting = [];
    last = -1;
    lines.value = [];
    dropped.value = 0;
  }

  return { lines, dropped, push, clear, flush };
}

export type LineBuffer = ReturnType<typeof lineBuffer>;
