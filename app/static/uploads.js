// Files go straight into the storage: chosen, dropped or pasted, several at once, each with a bar of its own. A form that brings
// files says with data-uploads where to ask for one that has arrived. In the composer it takes the place of its bar, in the library
// it goes to the front of the shelf. Without this file the form sends them along with everything else.

(() => {
  const form = document.querySelector("form[data-uploads]");
  const list = document.querySelector("[data-upload-list]");
  if (!form || !list) return;

  const FILES_AT_ONCE = 2;
  const PARTS_AT_ONCE = 3;
  const TRIES = 4; // of one request, a little longer apart each time
  const SILENCE = 60_000; // milliseconds after which a connection counts as lost
  const FINAL = 422; // the file is at fault: it would be refused again
  const LOST = "The connection was lost. What has arrived is kept.";

  const input = form.querySelector("input[type=file]");
  const news = document.getElementById("upload-news");
  const block = document.getElementById("upload-block");
  const rows = new Set();
  let reached = false; // whether the storage has taken something: until then it may be one that this browser does not reach

  // --- talking to the server

  class Refused extends Error {
    constructor(message, status) {
      super(message);
      this.status = status;
    }
  }

  class Lost extends Error {}

  class OutOfReach extends Error {}

  const elsewhere = (address) => new URL(address.url, location).origin !== location.origin;

  const ours = () => ({ Accept: "application/json", "X-CSRFToken": form.elements._csrf_token.value });

  function told(request) {
    try {
      return JSON.parse(request.responseText).error;
    } catch {
      return null;
    }
  }

  const pause = (time) => new Promise((resolve) => setTimeout(resolve, time));

  async function answer(path, options, signal) {
    try {
      return await fetch(path, { ...options, signal });
    } catch (error) {
      throw signal?.aborted ? error : new Lost(LOST);
    }
  }

  async function ask(method, path, signal, body) {
    const headers = ours();
    if (body) headers["Content-Type"] = "application/json";
    const given = await answer(path, { method, headers, body: body && JSON.stringify(body) }, signal);
    const told = await given.json().catch(() => ({}));
    if (given.status >= 500) throw new Lost(told.error || "The server does not answer right now.");
    if (!given.ok) throw new Refused(told.error || "The server refused it. Reload the page and try again.", given.status);
    return told;
  }

  // One PUT. XMLHttpRequest, because fetch does not tell how much was sent.
  function put(address, body, signal, sent) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      const end = () => request.abort();
      let watch = setTimeout(end, SILENCE);
      const done = (error) => {
        clearTimeout(watch);
        signal.removeEventListener("abort", end);
        if (error) reject(error);
        else resolve();
      };
      request.open("PUT", address.url);
      for (const [name, value] of Object.entries(address.headers)) request.setRequestHeader(name, value);
      request.upload.onprogress = (event) => {
        clearTimeout(watch);
        watch = setTimeout(end, SILENCE);
        sent(event.loaded);
      };
      request.onload = () => {
        const { status } = request;
        if (status < 300) {
          reached ||= elsewhere(address);
          done();
        } else if (status >= 500) done(new Lost("The storage does not answer right now."));
        else done(new Refused(told(request) || "The storage refused it. Try again.", status));
      };
      request.onerror = () => done(!reached && elsewhere(address) ? new OutOfReach() : new Lost(LOST));
      request.onabort = () => done(signal.aborted ? signal.reason : new Lost(LOST));
      signal.addEventListener("abort", end);
      request.send(body);
    });
  }

  async function patiently(what, signal) {
    for (let tries = 1; ; tries += 1) {
      try {
        return await what();
      } catch (error) {
        if (!(error instanceof Lost) || tries === TRIES || signal.aborted) throw error;
        await pause(500 * 2 ** tries);
      }
    }
  }

  // --- what was begun, for a day: a file that is chosen again after a reload goes on where it stopped

  const KEY = "carillon-uploads";
  const DAY = 86_400_000;
  const nameOf = (file) => [file.name, file.size, file.lastModified].join("|");

  function remembered() {
    try {
      const all = Object.entries(JSON.parse(localStorage.getItem(KEY)) || {});
      return Object.fromEntries(all.filter(([, begun]) => begun.at > Date.now() - DAY));
    } catch {
      return {};
    }
  }

  function remember(file, id) {
    const all = remembered();
    if (id) all[nameOf(file)] = { id, at: Date.now() };
    else delete all[nameOf(file)];
    try {
      localStorage.setItem(KEY, JSON.stringify(all));
    } catch {
      // without it nothing goes on after a reload
    }
  }

  // --- one file

  class Row {
    constructor(file) {
      this.file = file;
      this.id = remembered()[nameOf(file)]?.id;
      this.name = file.name || "Pasted picture";
      this.show();
      rows.add(this);
      this.begin();
    }

    show() {
      this.node = document.getElementById("upload-row").content.firstElementChild.cloneNode(true);
      const part = (name) => this.node.querySelector(`[data-${name}]`);
      [this.bar, this.words, this.retry, this.end] = [part("bar"), part("words"), part("retry"), part("cancel")];
      this.node.setAttribute("aria-label", this.name);
      this.bar.setAttribute("aria-label", this.name);
      part("name").textContent = this.name;
      if (this.file.type.startsWith("image/")) {
        this.picture = URL.createObjectURL(this.file);
        part("picture").addEventListener("error", (event) => event.target.remove());
        part("picture").src = this.picture;
      }
      this.retry.addEventListener("click", () => this.begin());
      this.end.addEventListener("click", () => this.cancel());
      list.append(this.node);
    }

    say(words, failed = false) {
      this.words.textContent = words;
      this.words.classList.toggle("error", failed);
      this.bar.hidden = failed;
    }

    sent(bytes) {
      const share = this.file.size ? Math.min(1, bytes / this.file.size) : 0;
      this.bar.value = share;
      this.say(share < 1 ? `${Math.floor(share * 100)} % of ${size(this.file.size)}` : "Almost there…");
    }

    begin() {
      this.going = new AbortController();
      this.failed = false;
      if (this.node.contains(document.activeElement)) this.end.focus();
      this.retry.hidden = true;
      this.end.textContent = "Cancel";
      this.say("Waiting…");
      this.waiting = true;
      next();
    }

    async run() {
      this.waiting = false;
      const { signal } = this.going;
      try {
        await this.arrive(signal);
        await this.attach(signal);
      } catch (error) {
        if (!signal.aborted) this.fail(error);
      }
      next();
    }

    async arrive(signal) {
      let told = await this.place(signal);
      for (let round = 0; told.state !== "ready"; round += 1) {
        if (told.state === "failed" || round === TRIES) {
          this.id = null;
          if (told.reason) throw new Refused(told.reason, FINAL);
          throw new Lost("It did not arrive as a whole.");
        }
        await this.bring(told, signal);
        this.say("Looking at it…");
        this.bar.removeAttribute("value");
        told = await this.confirmed(signal);
      }
      remember(this.file, null);
    }

    // Where the file stands: it may have been begun before.
    async place(signal) {
      const known = this.id && (await patiently(() => this.known(signal), signal));
      if (known) return known;
      const { type } = this.file;
      const accounts = [...form.querySelectorAll("input[name=account]:checked")].map((each) => each.value);
      const said = { name: this.name, type, size: this.file.size, accounts };
      const told = await patiently(() => ask("POST", "/media/uploads", signal, said), signal);
      this.id = told.id;
      if (told.parts) remember(this.file, told.id);
      return told;
    }

    async known(signal) {
      try {
        const told = await ask("GET", `/media/uploads/${this.id}`, signal);
        return told.state === "failed" || told.state === "deleted" ? null : told;
      } catch (error) {
        if (error.status === 404) return null;
        throw error;
      }
    }

    async bring(told, signal) {
      try {
        if (told.put) await this.bringWhole(told.put, signal);
        else if (told.parts) await this.bringParts(told.parts, signal);
      } catch (error) {
        if (!(error instanceof OutOfReach)) throw error;
        await this.bringWhole({ url: `/media/uploads/${this.id}/file`, headers: ours() }, signal);
      }
    }

    async bringWhole(address, signal) {
      await patiently(() => put(address, this.file, signal, (bytes) => this.sent(bytes)), signal);
    }

    async bringParts(parts, signal) {
      const { size: step, count, there } = parts;
      const bytesOf = (number) => Math.min(step, this.file.size - (number - 1) * step);
      const arrived = new Map(there.map((number) => [number, bytesOf(number)]));
      const missing = Array.from({ length: count }, (_, index) => index + 1).filter((number) => !arrived.has(number));
      const counted = (number, bytes) => {
        arrived.set(number, bytes);
        this.sent([...arrived.values()].reduce((sum, each) => sum + each, 0));
      };
      const one = async (number) => {
        const start = (number - 1) * step;
        const path = `/media/uploads/${this.id}/parts`;
        const { parts: addresses } = await ask("POST", path, signal, { numbers: [number] });
        const body = this.file.slice(start, start + bytesOf(number));
        await put(addresses[number], body, signal, (bytes) => counted(number, bytes));
      };
      const worker = async () => {
        while (missing.length) {
          const number = missing.shift();
          await patiently(() => one(number), signal);
        }
      };
      await Promise.all(Array.from({ length: PARTS_AT_ONCE }, worker));
    }

    async confirmed(signal) {
      for (;;) {
        const told = await patiently(() => ask("POST", `/media/uploads/${this.id}/confirm`, signal), signal);
        if (told.state !== "checking") return told;
        await pause(1500); // somebody else looks at it
        signal.throwIfAborted();
      }
    }

    async attach(signal) {
      const shelf = document.querySelector("[data-arrivals]");
      const path = `${form.dataset.uploads}${this.id}${shelf ? `?view=${shelf.dataset.arrivals}` : ""}`;
      const given = await patiently(() => answer(path, {}, signal), signal);
      if (!given.ok) throw new Lost("It has arrived, and could not be shown. Try again.");
      const holder = document.createElement("template");
      holder.innerHTML = await given.text();
      const item = holder.content.firstElementChild;
      const focused = this.node.contains(document.activeElement);
      if (shelf) {
        shelf.prepend(item);
        window.htmx?.process(item);
        this.node.remove();
      } else this.node.replaceWith(item);
      if (focused) item.querySelector("textarea, a").focus();
      this.forget();
      announce(`${this.name} is ${shelf ? "in the library" : "attached"}.`);
      changed();
    }

    fail(error) {
      this.going.abort(); // the parts beside the one that failed
      this.failed = true;
      const words = error instanceof Refused || error instanceof Lost ? error.message : "It could not be uploaded. Try again.";
      this.say(words, true);
      this.retry.hidden = error.status === FINAL;
      this.end.textContent = "Remove";
      announce(`${this.name}: ${words}`);
    }

    cancel() {
      this.going.abort();
      if (this.id) ask("DELETE", `/media/uploads/${this.id}`).catch(() => {});
      remember(this.file, null);
      this.node.remove();
      this.forget();
      announce(`${this.name} is left out.`);
      input.focus();
      next();
    }

    forget() {
      rows.delete(this);
      if (this.picture) URL.revokeObjectURL(this.picture);
      if (!rows.size && block) block.hidden = true;
    }
  }

  const size = (bytes) => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);

  function next() {
    const running = [...rows].filter((row) => !row.waiting && !row.failed).length;
    for (const row of [...rows].filter((each) => each.waiting).slice(0, Math.max(0, FILES_AT_ONCE - running))) row.run();
  }

  function announce(words) {
    news.textContent = words;
  }

  // The pictures are numbered as they stand, and the preview follows.
  function changed() {
    [...list.querySelectorAll(".media-item:not(.upload-row)")].forEach((item, index) => {
      for (const place of item.querySelectorAll("[data-number]")) place.textContent = index + 1;
    });
    form.dispatchEvent(new Event("change", { bubbles: true }));
  }

  // --- how files come here

  const add = (files) => [...files].forEach((file) => new Row(file));
  const brings = (event) => [...(event.dataTransfer?.types || [])].includes("Files");

  input.addEventListener("change", (event) => {
    event.stopPropagation();
    add(input.files);
    input.value = ""; // the form need not send them, and the same file can be chosen again
  });

  document.addEventListener("paste", (event) => {
    const { files, types } = event.clipboardData;
    if (!files.length || types.includes("text/plain")) return;
    event.preventDefault();
    add(files);
  });

  function dropped() {
    form.classList.remove("dropping");
    document.body.classList.remove("dropping-files");
  }

  document.addEventListener("dragover", (event) => {
    if (!brings(event)) return;
    event.preventDefault();
    form.classList.add("dropping");
    document.body.classList.add("dropping-files");
  });

  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) dropped();
  });

  document.addEventListener("drop", (event) => {
    if (!brings(event)) return;
    event.preventDefault();
    dropped();
    add(event.dataTransfer.files);
  });

  list.addEventListener("click", (event) => {
    const button = event.target.closest("[data-remove]");
    if (!button) return;
    event.preventDefault();
    button.closest(".media-item").remove();
    input.focus();
    changed();
  });

  // --- nothing is sent while something is missing

  function missing() {
    const failed = [...rows].filter((row) => row.failed).length;
    const open = rows.size - failed;
    const several = (number, one, more) => (number === 1 ? one : `${number} ${more}`);
    if (open) {
      return `${several(open, "A file has", "files have")} not arrived yet. Wait, or cancel, and press the button once more.`;
    }
    return `${several(failed, "A file was", "files were")} not uploaded. Try again, or remove what failed, and press the button once more.`;
  }

  form.addEventListener("submit", (event) => {
    if (!rows.size || !block) return;
    event.preventDefault();
    block.textContent = missing();
    block.hidden = false;
  });

  window.addEventListener("beforeunload", (event) => {
    if ([...rows].some((row) => !row.failed)) event.preventDefault();
  });

  form.addEventListener("arrived", changed); // from the library

  document.getElementById("drop-hint").hidden = false;
})();
