/**
 * Server-sent events that go on after a lost connection or a restarted server.
 *
 * The browser reconnects by itself and sends `Last-Event-ID`, but gives up for good when an answer is
 * no 200 (a 502 while the API restarts, a 503 while a part of it is away). Then this asks again, with
 * the id of the last event in the query where the endpoint takes one (`after`). What the answer was no
 * `EventSource` tells: a plain request does, and one that stays as it is ends it.
 */
export interface StreamOptions {
  /** The path; `after` is the id of the last event seen, or null at first. */
  url: (after: string | null) => string;
  /** The names of the events to hand on. */
  events: string[];
  onEvent: (name: string, data: unknown, id: string) => void;
  /** An event by which the server says that nothing follows. */
  endEvent?: string;
  /** Nothing follows: after that event, or when there is nothing to follow (a 204, a 404). */
  onEnd?: () => void;
  /** Whether the connection stands; where it does not, it is tried again. */
  onState?: (connected: boolean) => void;
}

const FIRST_WAIT = 400;
const LONGEST_WAIT = 8000;
/** After so many failures in a row it is asked why. */
const SUSPICIOUS = 2;
/** Refusals that pass: a session that ended, something that is on its way, too much at once. */
const PASSING = [401, 408, 409, 425, 429];

/** Follows until `close` is called or the stream has ended. */
export function follow(options: StreamOptions): () => void {
  let source: EventSource | null = null;
  let timer = 0;
  let wait = FIRST_WAIT;
  let failures = 0;
  let last: string | null = null;
  let closed = false;
  const asking = new AbortController();

  function close(): void {
    closed = true;
    window.clearTimeout(timer);
    asking.abort();
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
      failures = 0;
      options.onState?.(true);
    };
    made.onerror = () => {
      if (closed) return;
      options.onState?.(false);
      if (made.readyState !== EventSource.CLOSED) return;
      source = null;
      failures++;
      later();
    };
    for (const name of options.events) {
      made.addEventListener(name, (event: MessageEvent<string>) => {
        if (event.lastEventId) last = event.lastEventId;
        options.onEvent(name, parsed(event.data), event.lastEventId);
      });
    }
    if (options.endEvent) made.addEventListener(options.endEvent, end);
  }

  function later(): void {
    if (closed) return;
    timer = window.setTimeout(failures < SUSPICIOUS ? connect : () => void look(), wait);
    wait = Math.min(wait * 2, LONGEST_WAIT);
  }

  /** In place of another attempt: whether one would do any good. */
  async function look(): Promise<void> {
    const status = await answered(options.url(last), asking.signal);
    if (status === 200) connect();
    else if (status === 204 || (status >= 400 && status < 500 && !PASSING.includes(status))) end();
    else later();
  }

  connect();
  return close;
}

/** The status of an answer whose body nobody reads; 0: there was none. */
async function answered(url: string, signal: AbortSignal): Promise<number> {
  try {
    const { status, body } = await fetch(url, { headers: { Accept: "text/event-stream" }, signal });
    void body?.cancel();
    return status;
  } catch {
    return 0;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
