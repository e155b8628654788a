import { ApiError } from "./client";
import type { Problem } from "./schema";

/**
 * Sends a file and tells how much of it has gone; `fetch` cannot. Answers the response's JSON.
 * Raises `ApiError`, and an `AbortError` when `signal` ends it.
 */
export function upload<Data>(path: string, file: Blob, type: string, onProgress: (share: number) => void, signal?: AbortSignal): Promise<Data> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.setRequestHeader("Content-Type", type);
    request.responseType = "json";
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    };
    request.onload = () => {
      if (request.status < 300) return resolve(request.response as Data);
      const found = request.response as Problem | null;
      reject(new ApiError(found?.type ? found : { type: "about:blank", title: request.statusText, status: request.status, detail: "" }));
    };
    request.onerror = () => reject(new ApiError({ type: "about:offline", title: "", status: 0, detail: "" }));
    request.onabort = () => reject(new DOMException("ended", "AbortError"));
    signal?.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}
