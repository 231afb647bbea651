// Reading aids.  Without scripts the page is whole: every piece of code, card and table unfolds by
// itself, and an animated picture plays.
(() => {
  const memory = {
    get: key => { try { return localStorage.getItem(key); } catch { return null; } },
    set: (key, value) => { try { localStorage.setItem(key, value); } catch { /* private window */ } },
  };
  const make = (name, properties = {}) => Object.assign(document.createElement(name), properties);

  // ---------------------------------------------------------------- one switch for all the code
  function codeSwitch() {
    const folded = [...document.querySelectorAll(".bd-article .cell > details.hide")];
    const line = document.querySelector(".bd-article h1 + p");
    if (!folded.length || !line) return;
    const count = folded.reduce(
      (sum, d) => sum + d.querySelector("pre").textContent.trimEnd().split("\n").length, 0);
    const button = make("button", {className: "code-switch", type: "button"});
    const show = open => {
      folded.forEach(d => { d.open = open; });
      button.textContent = open ? "Hide all code" : `Show all code (${count} lines)`;
      button.setAttribute("aria-pressed", open);
    };
    button.onclick = () => {
      const open = button.getAttribute("aria-pressed") !== "true";
      memory.set("code", open ? "1" : "");
      show(open);
    };
    line.append(" · ", button);
    show(memory.get("code") === "1" || location.hash === "#code");
  }

  // ---------------------------------------------------------------- a figure, enlarged
  function enlarge() {
    const box = make("dialog", {className: "enlarged"});
    box.onclick = () => box.close();
    // The theme keeps the Escape key for itself.
    document.addEventListener("keydown", event => { if (event.key === "Escape") box.close(); });
    document.body.append(box);
    document.querySelectorAll(".bd-article .cell_output img").forEach(image => {
      const open = () => {
        box.replaceChildren(make("img", {src: image.src, alt: image.alt}));
        box.showModal();
      };
      image.tabIndex = 0;
      image.setAttribute("role", "button");
      image.title = "enlarge";
      image.onclick = open;
      image.onkeydown = event => { if (event.key === "Enter") open(); };
    });
  }

  // Who cannot hover is told once.
  function hint() {
    const figure = matchMedia("(hover: none)").matches && document.querySelector(".bd-article figure");
    if (figure) figure.append(make("p", {className: "hint", textContent: "Tap a figure to enlarge it."}));
  }

  // ---------------------------------------------------------------- a slider for an animated PNG
  const SIGNATURE = Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10);
  const REMAINDERS = Uint32Array.from({length: 256}, (_, n) => {
    for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ n >>> 1 : n >>> 1;
    return n;
  });

  function chunk(name, data) {
    const bytes = new Uint8Array(data.length + 12), view = new DataView(bytes.buffer);
    view.setUint32(0, data.length);
    [...name].forEach((letter, i) => { bytes[4 + i] = letter.charCodeAt(0); });
    bytes.set(data, 8);
    let crc = 0xffffffff;
    for (const byte of bytes.subarray(4, 8 + data.length)) {
      crc = REMAINDERS[(crc ^ byte) & 255] ^ crc >>> 8;
    }
    view.setUint32(8 + data.length, ~crc >>> 0);
    return bytes;
  }

  // The frames, each as a PNG of its own with its place: they are drawn one over the other.
  function frames(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset), found = [], shared = [];
    let header;
    for (let p = 8; p < bytes.length;) {
      const length = view.getUint32(p), data = bytes.subarray(p + 8, p + 8 + length);
      const name = String.fromCharCode(...bytes.subarray(p + 4, p + 8));
      const field = k => view.getUint32(p + 8 + k), half = k => view.getUint16(p + 8 + k);
      if (name === "IHDR") header = data.slice();
      else if (name === "PLTE" || name === "tRNS") shared.push(chunk(name, data));
      else if (name === "fcTL") {
        found.push({width: field(4), height: field(8), x: field(12), y: field(16), parts: [],
                    milliseconds: 1000 * half(20) / (half(22) || 100), over: data[25] === 1});
      } else if (name === "IDAT" && found.length) found.at(-1).parts.push(data);
      else if (name === "fdAT") found.at(-1).parts.push(data.subarray(4));
      p += length + 12;
    }
    for (const frame of found) {
      const own = header.slice(), size = new DataView(own.buffer);
      size.setUint32(0, frame.width);
      size.setUint32(4, frame.height);
      frame.png = new Blob([SIGNATURE, chunk("IHDR", own), ...shared,
                            ...frame.parts.map(part => chunk("IDAT", part)),
                            chunk("IEND", new Uint8Array())], {type: "image/png"});
    }
    return found;
  }

  async function slider(image) {
    const found = frames(new Uint8Array(await (await fetch(image.src)).arrayBuffer()));
    if (found.length < 2) return;
    const canvas = make("canvas", {width: image.naturalWidth, height: image.naturalHeight});
    const pen = canvas.getContext("2d"), states = [];
    canvas.className = "animation";
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", image.alt);
    if (image.width) canvas.style.width = `${image.width}px`;
    for (const frame of found) {
      const drawn = await createImageBitmap(frame.png);
      if (!frame.over) pen.clearRect(frame.x, frame.y, frame.width, frame.height);
      pen.drawImage(drawn, frame.x, frame.y);
      states.push(await createImageBitmap(canvas));
    }
    const controls = make("div", {className: "animation-controls"});
    const play = make("button", {type: "button"});
    const range = make("input", {type: "range", min: 0, max: states.length - 1, value: 0});
    range.ariaLabel = "frame";
    let timer = 0, left = 2;  // motion that does not end by itself must not go on for long
    const draw = k => {
      pen.clearRect(0, 0, canvas.width, canvas.height);
      pen.drawImage(states[k], 0, 0);
      range.value = k;
    };
    const stop = () => {
      clearTimeout(timer);
      timer = 0;
      play.textContent = "▶";
      play.ariaLabel = "play";
    };
    const step = () => {
      const k = (+range.value + 1) % states.length;
      if (k === 0 && --left <= 0) return stop();
      draw(k);
      timer = setTimeout(step, found[k].milliseconds);
    };
    const start = () => {
      play.textContent = "❚❚";
      play.ariaLabel = "pause";
      if (+range.value === states.length - 1) draw(0);
      timer = setTimeout(step, found[+range.value].milliseconds);
    };
    play.onclick = () => { if (timer) stop(); else { left = 2; start(); } };
    range.oninput = () => { stop(); draw(+range.value); };
    controls.append(play, range);
    image.replaceWith(canvas, controls);
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
      draw(states.length - 1);
      stop();
    } else {
      draw(0);
      start();
    }
  }

  // ---------------------------------------------------------------- formulas
  // Sphinx writes \(…\) into a span and \[…\] into a div.
  function typeset() {
    document.querySelectorAll(".math").forEach(element => {
      const [before, after] = [element.previousSibling, element.nextSibling];
      const source = element.textContent.trim().slice(2, -2);
      const display = element.tagName === "DIV";
      katex.render(source, element, {displayMode: display, throwOnError: false});
      element.classList.toggle("short", source.length < 18);
      if (!display) keep(element, before, after);
    });
  }

  // A line breaks within a formula that is not short, but not between it and its bracket or comma.
  function keep(element, before, after) {
    if (before?.nodeType === Node.TEXT_NODE) {
      const [opening] = before.data.match(/[([“‘]*$/);
      before.data = before.data.slice(0, before.length - opening.length);
      element.prepend(opening);
    }
    if (after?.nodeType === Node.TEXT_NODE) {
      const [closing] = after.data.match(/^[-.,:;!?)\]”’…]*/);
      after.data = after.data.slice(closing.length);
      element.append(closing);
    }
  }

  // ---------------------------------------------------------------- excerpts of the search
  // From the article, without its title, the links under it, its code and the marks of formulas.
  function excerpts() {
    if (typeof Search === "undefined") return;
    Search.htmlToText = (html, anchor) => {
      const page = new DOMParser().parseFromString(html, "text/html");
      const article = page.querySelector(".bd-article");
      article?.querySelectorAll("h1, h1 + p, pre, .headerlink").forEach(e => e.remove());
      const part = page.getElementById((anchor || "#").slice(1)) || article;
      return part ? part.textContent.replace(/\\[()[\]]|[{}\\]/g, "") : "";
    };
  }

  // ---------------------------------------------------------------- a claim, in its folded card
  function unfold() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let e = target; e; e = e.parentElement) if (e.tagName === "DETAILS") e.open = true;
    target?.scrollIntoView();
  }

  function ready() {
    typeset();
    excerpts();
    if (location.hash) unfold();
    addEventListener("hashchange", unfold);
    codeSwitch();
    enlarge();
    hint();
    document.querySelectorAll(".bd-article .tag_animation .cell_output img, img.animation").forEach(image => {
      const go = () => slider(image).catch(() => {});  // it still plays by itself
      if (image.complete) go(); else image.onload = go;
    });
  }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", ready);
  else ready();
})();
