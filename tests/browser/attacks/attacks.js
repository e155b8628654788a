// What a page tries against its visitor: each answers what it got, or "refused".
({
  PATIENCE: 4000,

  async tried(work) {
    const late = new Promise((done) => setTimeout(() => done("refused"), this.PATIENCE));
    try {
      return await Promise.race([work(), late]);
    } catch {
      return "refused";
    }
  },

  /** Resolves when the element has loaded, rejects when it broke. */
  element(name, properties) {
    const made = Object.assign(document.createElement(name), properties);
    return new Promise((done, broken) => {
      made.onload = () => done(made);
      made.onerror = broken;
      document.body.append(made);
    });
  },

  socket({ url }) {
    return this.tried(
      () =>
        new Promise((done, broken) => {
          const made = new WebSocket(url);
          made.onopen = () => done("open");
          made.onerror = broken;
        }),
    );
  },

  /** What there is to be read of the visitor without asking anybody. */
  async looks() {
    const seen = await (await fetch("/seen", { credentials: "include" })).text();
    // A browser may refuse a frame all storage.
    const stored = await this.tried(async () => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));
    const databases = await this.tried(async () => JSON.stringify(await indexedDB.databases()));
    return [document.cookie, seen, stored, databases];
  },

  /** Reads from an origin with the visitor's credentials, in every way that a page has. */
  async reads({ origin, path, script }) {
    const url = origin + path;
    const body = async (mode) => {
      const answer = await fetch(url, { credentials: "include", mode });
      const text = await answer.text();
      if (answer.type === "opaque" || !answer.ok) throw new Error("nothing to read");
      return text;
    };
    return {
      cors: await this.tried(() => body("cors")),
      blind: await this.tried(() => body("no-cors")),
      request: await this.tried(
        () =>
          new Promise((done, broken) => {
            const request = new XMLHttpRequest();
            request.open("GET", url);
            request.withCredentials = true;
            request.onload = () => (request.status === 200 ? done(request.responseText) : broken());
            request.onerror = broken;
            request.send();
          }),
      ),
      image: await this.tried(() => this.element("img", { src: url })),
      script: await this.tried(async () => {
        await this.element("script", { src: origin + script });
        return window.told ?? "nothing";
      }),
      module: await this.tried(async () => (await import(origin + script), window.told)),
      events: await this.tried(
        () =>
          new Promise((done, broken) => {
            const source = new EventSource(url, { withCredentials: true });
            source.onopen = done;
            source.onerror = broken;
          }),
      ),
    };
  },

  /** Posts where something would change, in the ways that need no consent of the other side. */
  async posts({ url, json }) {
    const cross = { method: "POST", credentials: "include", body: json };
    await this.tried(() => fetch(url, { ...cross, headers: { "Content-Type": "application/json" } }));
    await this.tried(() => fetch(url, { ...cross, mode: "no-cors" }));
    navigator.sendBeacon(url, json);
    await this.form({ url, json, target: "frame" });
  },

  /** A form whose plain text is JSON to who does not look. */
  async form({ url, json, target }) {
    const frame = Object.assign(document.createElement("iframe"), { name: "frame" });
    document.body.append(frame);
    const form = Object.assign(document.createElement("form"), { action: url, method: "POST", enctype: "text/plain", target });
    const field = document.createElement("input");
    [field.name, field.value] = [`${json.slice(0, -1)},"x":"`, '"}'];
    form.append(field);
    document.body.append(form);
    await this.tried(
      () =>
        new Promise((done) => {
          if (target === "frame") frame.onload = done;
          else setTimeout(done, 500);
          form.submit();
        }),
    );
    form.remove();
    frame.remove();
  },

  /** What a frame of each address lets its parent see. */
  async frames({ urls }) {
    return Promise.all(
      urls.map((src) =>
        this.tried(async () => {
          const frame = await this.element("iframe", { src });
          return frame.contentWindow.localStorage.secret ?? frame.contentDocument.title;
        }),
      ),
    );
  },

  /** What a window of an address lets its opener see, once it is there. */
  async opens({ url }) {
    const opened = window.open(url);
    // Until it is there it is an empty page of this one's own origin.
    const isEmpty = () => {
      try {
        return !opened.closed && Boolean(opened.document);
      } catch {
        return false;
      }
    };
    const pause = (ms) => new Promise((done) => setTimeout(done, ms));
    const late = Date.now() + this.PATIENCE;
    while (isEmpty() && Date.now() < late) await pause(50);
    await pause(500);
    const found = await this.tried(async () => opened.document.title + opened.localStorage.secret);
    const cut = !opened || opened.closed;
    return { found, cut };
  },

  /** Takes the window around its frame elsewhere. */
  leads({ url }) {
    return this.tried(async () => ((top.location.href = url), "led"));
  },

  async sets({ names, domains }) {
    for (const name of names)
      for (const domain of domains) {
        document.cookie = `${name}=planted; domain=${domain}; path=/`;
        await this.tried(() => cookieStore.set({ name, value: "planted", domain }));
      }
  },

  async fetches({ urls }) {
    for (const url of urls) {
      await this.tried(() => fetch(url, { credentials: "include", mode: "no-cors" }));
      await this.tried(() => this.element("img", { src: url }));
      await this.tried(() => this.element("iframe", { src: url }));
    }
  },

  /** A service worker for another place than this page's own. */
  async works({ worker, scope }) {
    return this.tried(() => navigator.serviceWorker.register(worker, { scope }).then(() => "registered"));
  },
})
