/**
 * Server-sent events that go on after a lost connection or a restarted server.
 *
 * The browser reconnects by itself and sends `Last-Event-ID`, but gives up for good when an answer is
 * no 200 (a 502 while the API restarts, a 503 while a part of it is away). Then this asks again, with
 * the id of the last event in the query where the endpoint takes one (`after`).
 */
export interface StreamOptions {
  /** The path; `after` is the id of the last event seen, or null at first. */
  url: (after: string | null) => string;
  /** The names of the events to hand on. */
  events: string[];
  onEvent: (name: string, data: unknown, id: string) => void;
  /** The server said that nothing follows: an event of this name, or a 204. */
  endEvent?: string;
  onEnd?: () => void;
  /** Whether the connection stands. */
  onState?: (connected: boolean) => void;
}

const FIRST_WAIT = 400;
const LONGEST_WAIT = 8000;

/** Follows until `close` is called or the stream has ended. */
export function follow(options: StreamOptions): () => void {
  let source: EventSource | null = null;
  let timer = 0;
  let wait = FIRST_WAIT;
  let last: string | null = null;
  let closed = false;

  function close(): void {
    closed = true;
    window.clearTimeout(timer);
    source?.close();
    source = null;
  }

  function end(): void {
    if (closed) return;
    close();
    options.onEnd?.();
  }

  function connect(): void {
    if (closed) return;
    const made = new EventSource(options.url(last));
    source = made;
    made.onopen = () => {
      wait = FIRST_WAIT;
      options.onState?.(true);
    };
    made.onerror = () => {
      if (closed) return;
      options.onState?.(false);
      if (made.readyState !== EventSource.CLOSED) return;
      source = null;
      timer = window.setTimeout(connect, wait);
      wait = Math.min(wait * 2, LONGEST_WAIT);
    };
    for (const name of options.events) {
      made.addEventListener(name, (event: MessageEvent<string>) => {
        if (event.lastEventId) last = event.lastEventId;
        options.onEvent(name, parsed(event.data), event.lastEventId);
      });
    }
    if (options.endEvent) made.addEventListener(options.endEvent, end);
  }

  connect();
  return close;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
