// A hostile app, live or in a preview: its page is blank, so that tests run their attacks in it.
const crypto = require("crypto"), fs = require("fs"), http = require("http");

console.log(fs.readFileSync(`${__dirname}/hostile.txt`, "utf8"));

http
  .createServer((request, response) => {
    const url = new URL(request.url, "http://x");
    response.setHeader("Set-Cookie", url.searchParams.getAll("cookie"));
    // As open as an app can be: whatever is refused all the same, the platform refuses.
    response.setHeader("Access-Control-Allow-Origin", request.headers.origin || "*");
    response.setHeader("Access-Control-Allow-Credentials", "true");
    response.setHeader("Service-Worker-Allowed", "/");
    if (url.pathname === "/seen") return response.end(JSON.stringify(request.headers));
    if (url.pathname.endsWith(".js")) {
      response.setHeader("Content-Type", "text/javascript");
      return response.end("self.told = 'the secret'");
    }
    response.setHeader("Content-Type", "text/html");
    response.end("<!doctype html><title>An app</title><h1>It runs</h1>");
  })
  .on("upgrade", (request, socket) => {
    const key = request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    const accept = crypto.createHash("sha1").update(key).digest("base64");
    socket.on("error", () => {});
    socket.write(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n" +
        `Connection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n\x81\x02hi`,
      "latin1",
    );
  })
  .listen(process.env.PORT);
