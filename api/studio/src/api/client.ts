import createClient from "openapi-fetch";
import type { Problem, paths } from "./schema";

/** What the API answered instead of what was asked for, or why there was no answer. */
export class ApiError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail);
  }

  get status(): number {
    return this.problem.status;
  }

  /** The error beside a field: `name` for a body's or a query's `name`, whoever refused it. */
  field(name: string): FieldProblem | undefined {
    const { field, detail, code, values } = this.problem;
    if (field === name) return { what: detail, code, values };
    return this.problem.errors?.find((one) => one.field.replace(/^(body|query)\./, "") === name);
  }
}

/** What is wrong, in the API's words; by `code` and `values` the page has its own. */
export type FieldProblem = { what: string } & Partial<Pick<Problem, "values">> & { code?: string | null };

const listeners = new Set<() => void>();

/** Told when the session has ended; the page then asks for the password and stays as it is. */
export function onSignedOut(listener: () => void): void {
  listeners.add(listener);
}

export const api = createClient<paths>({
  baseUrl: window.location.origin,
  credentials: "same-origin",
  headers: { Accept: "application/json" },
});

/**
 * The answer of a call, or an `ApiError`: `const apps = await ask(api.GET("/api/apps"))`.
 * A 401 also tells whoever asked by `onSignedOut`, unless `quiet`.
 */
export async function ask<Data>(
  call: Promise<{ data?: Data; error?: unknown; response: Response }>,
  { quiet = false }: { quiet?: boolean } = {},
): Promise<Data> {
  let answer: Awaited<typeof call>;
  try {
    answer = await call;
  } catch (reason) {
    if (reason instanceof DOMException && reason.name === "AbortError") throw reason;
    throw new ApiError(away());
  }
  if (answer.response.ok) return answer.data as Data;
  const error = new ApiError(asProblem(answer.error, answer.response));
  if (error.status === 401 && !quiet) for (const tell of listeners) tell();
  throw error;
}

/** The same for what is no JSON (a log, an upload): `fetch` with its errors as `ApiError`. */
export async function fetchRaw(path: string, init?: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...init });
  } catch (reason) {
    if (reason instanceof DOMException && reason.name === "AbortError") throw reason;
    throw new ApiError(away());
  }
  if (response.ok) return response;
  const body: unknown = await response.json().catch(() => null);
  const error = new ApiError(asProblem(body, response));
  if (error.status === 401) for (const tell of listeners) tell();
  throw error;
}

export function asApiError(reason: unknown): ApiError {
  if (reason instanceof ApiError) return reason;
  // No answer has this status: a fault of the page's own is no platform that is away.
  return new ApiError({ type: "about:page", title: "", status: -1, detail: String(reason) });
}

function asProblem(body: unknown, response: Response): Problem {
  if (typeof body === "object" && body !== null && "status" in body && "detail" in body) return body as Problem;
  return { type: "about:blank", title: response.statusText, status: response.status, detail: "" };
}

function away(): Problem {
  return { type: "about:offline", title: "", status: 0, detail: "" };
}
