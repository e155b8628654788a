import { api, ask } from "@/api/client";

/** The connection to a shell: bytes both ways, taken up again after it was lost. */
export interface ShellEvents {
  onOutput: (bytes: Uint8Array) => void;
  /** Before what the shell has said so far comes; `again`: in one piece, since it was there before. */
  onAttached: (session: string, again: boolean) => void;
  onExit: (code: number | null) => void;
  /** `lost`: it is tried again. `taken`: another page shows it now. `refused`: it does not come. */
  onState: (state: "open" | "lost" | "taken" | "refused") => void;
}

const TAKEN_OVER = 4000;
const ENDED = 1000;
const REFUSALS = 3;
const LONGEST_WAIT = 3000;

export class Shell {
  private socket: WebSocket | null = null;
  private closed = false;
  private attempt = 0;
  private refusals = 0;
  private timer = 0;
  private waiting: Uint8Array<ArrayBuffer>[] = [];

  constructor(
    private readonly appId: number,
    private session: string | null,
    private size: { rows: number; columns: number },
    private readonly events: ShellEvents,
  ) {}

  connect(): void {
    if (this.closed) return;
    window.clearTimeout(this.timer);
    const query = new URLSearchParams({ app_id: String(this.appId), rows: String(this.size.rows), columns: String(this.size.columns) });
    if (this.session) query.set("session", this.session);
    const socket = new WebSocket(`${window.location.origin.replace("http", "ws")}/api/workspace/terminal?${query}`);
    socket.binaryType = "arraybuffer";
    let opened = false;
    this.waiting = [];
    socket.onopen = () => {
      for (const bytes of this.waiting.splice(0)) socket.send(bytes);
    };
    socket.onmessage = (event: MessageEvent<ArrayBuffer | string>) => {
      if (typeof event.data !== "string") return this.events.onOutput(new Uint8Array(event.data));
      const told = JSON.parse(event.data) as { session?: string; exit?: number | null };
      if (told.session) {
        opened = true;
        this.attempt = 0;
        this.refusals = 0;
        const again = this.session === told.session;
        this.session = told.session;
        this.events.onAttached(told.session, again);
        this.events.onState("open");
        this.resize(this.size.rows, this.size.columns);
      }
      if ("exit" in told) this.events.onExit(told.exit ?? null);
    };
    socket.onclose = (event) => {
      if (this.closed || this.socket !== socket) return;
      this.socket = null;
      if (event.code === TAKEN_OVER) return this.events.onState("taken");
      if (event.code === ENDED) return;
      this.events.onState("lost");
      void this.retry(!opened);
    };
    this.socket = socket;
  }

  /**
   * A browser does not say why a socket was refused. While the platform answers nothing, the shell may
   * well be there still: it is given up, for a new one, only when it was refused by one that answers.
   */
  private async retry(refused: boolean): Promise<void> {
    if (refused && (await answers())) this.refusals++;
    if (this.closed || this.socket) return;
    if (this.refusals >= REFUSALS) {
      if (!this.session) return this.events.onState("refused");
      this.session = null;
      this.refusals = 0;
    }
    this.timer = window.setTimeout(() => this.connect(), Math.min(300 * 1.6 ** this.attempt++, LONGEST_WAIT));
  }

  /** Asks again after it was refused or taken. */
  again(): void {
    this.attempt = 0;
    this.refusals = 0;
    this.connect();
  }

  /** What is typed while it connects waits; while the connection is lost, nobody sees what they type. */
  write(data: string | Uint8Array<ArrayBuffer>): void {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    if (this.socket?.readyState === WebSocket.CONNECTING) this.waiting.push(bytes);
    else if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(bytes);
  }

  resize(rows: number, columns: number): void {
    this.size = { rows, columns };
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ resize: [columns, rows] }));
  }

  /** Its tab is closed: the shell ends now. One whose connection is lost ends by itself in a minute. */
  hangUp(): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ hang_up: true }));
    this.close();
  }

  /** The shell goes on for a minute, for a page that comes back. */
  close(): void {
    this.closed = true;
    window.clearTimeout(this.timer);
    this.socket?.close();
  }
}

async function answers(): Promise<boolean> {
  try {
    return (await ask(api.GET("/api/workspace"))).status === "RUNNING";
  } catch {
    return false;
  }
}
