// What a person does with attached files without a reload: move them, choose the point that a crop keeps, pick from the library.
// Without this file every button here sends the form, which then comes back changed.

(() => {
  const form = document.getElementById("composer");
  if (!form) return;

  const news = document.getElementById("upload-news");
  const items = (list) => [...list.children].filter((each) => each.matches("[data-item]"));
  const changed = (node) => node.dispatchEvent(new Event("change", { bubbles: true }));

  // --- the order

  function number(list) {
    items(list).forEach((item, index) => {
      for (const place of item.querySelectorAll("[data-number]")) place.textContent = index + 1;
    });
  }

  function settled(list, item) {
    const all = items(list);
    const place = all.indexOf(item) + 1;
    number(list);
    news.textContent = `Moved: now image ${place} of ${all.length}.`;
    changed(form);
  }

  function step(button) {
    const item = button.closest("[data-item]");
    const list = item.parentElement;
    const all = items(list);
    const place = all.indexOf(item);
    const other = all[place + Number(button.dataset.move)];
    if (!other) return;
    if (button.dataset.move < 0) other.before(item);
    else other.after(item);
    button.focus();
    // the button of the way that is closed now is hidden
    if (document.activeElement !== button || getComputedStyle(button).visibility === "hidden") {
      item.querySelector(`[data-move="${-button.dataset.move}"]`).focus();
    }
    settled(list, item);
  }

  form.addEventListener("click", (event) => {
    const button = event.target.closest("[data-move]");
    if (!button) return;
    event.preventDefault();
    step(button);
  });

  // By its picture a file is dragged to its place, with a mouse, a pen or a finger.
  form.addEventListener("pointerdown", (event) => {
    const item = event.target.matches("[data-item] > img") && event.target.parentElement;
    if (!item || event.button) return;
    event.preventDefault();
    const list = item.parentElement;
    const before = items(list).indexOf(item);
    const follow = ({ clientX, clientY }) => {
      const over = document.elementFromPoint(clientX, clientY)?.closest("[data-item]");
      if (!over || over === item || over.parentElement !== list) return;
      const { top, height } = over.getBoundingClientRect();
      const down = items(list).indexOf(over) > items(list).indexOf(item);
      if (down && clientY > top + height / 2) over.after(item);
      else if (!down && clientY < top + height / 2) over.before(item);
    };
    const end = (last) => {
      window.removeEventListener("pointermove", follow);
      for (const name of ["pointerup", "pointercancel"]) window.removeEventListener(name, end);
      item.classList.remove("dragged");
      if (last.type === "pointercancel" && before >= 0) {
        items(list).filter((each) => each !== item)[before]?.before(item);
        if (!items(list)[before + 1]) list.append(item);
      }
      if (items(list).indexOf(item) !== before) settled(list, item);
    };
    item.classList.add("dragged");
    window.addEventListener("pointermove", follow);
    for (const name of ["pointerup", "pointercancel"]) window.addEventListener(name, end);
  });

  // --- the point that a crop keeps

  function mark(radio) {
    const [x, y] = (radio.value || radio.dataset.at).split(",");
    const circle = radio.closest("fieldset").querySelector("circle");
    circle.setAttribute("cx", `${x * 100}%`);
    circle.setAttribute("cy", `${y * 100}%`);
  }

  form.addEventListener("click", (event) => {
    const radio = event.target;
    if (!radio.matches("[data-points] input")) return;
    if (event.detail) {
      const { left, top, width, height } = radio.parentElement.getBoundingClientRect();
      const share = (from, size) => Math.max(0, Math.min(1, from / size)).toFixed(3) * 1;
      radio.value = `${share(event.clientX - left, width)},${share(event.clientY - top, height)}`;
      mark(radio);
      changed(radio);
    } else radio.value = radio.dataset.at; // by keyboard it is the field itself
  });

  form.addEventListener("change", (event) => {
    if (event.target.name?.startsWith("focus-")) mark(event.target);
  });

  // --- the library

  const library = () => document.getElementById("library");

  function close() {
    library().replaceChildren();
    library().hidden = true;
    document.getElementById("from-library").focus();
  }

  async function pick() {
    const list = document.getElementById("media-list");
    const there = new Set([...list.querySelectorAll("input[name=media]")].map((each) => each.value));
    const ids = [...library().querySelectorAll("[name=pick]:checked")].map((each) => each.value);
    const wanted = ids.filter((id) => !there.has(id));
    const answers = await Promise.all(wanted.map((id) => fetch(`/compose/media/${id}`)));
    for (const answer of answers.filter((each) => each.ok)) list.insertAdjacentHTML("beforeend", await answer.text());
    const some = answers.filter((each) => each.ok).length;
    close();
    number(list);
    news.textContent = some === 1 ? "One file is attached." : `${some} files are attached.`;
    if (some) changed(form);
  }

  form.addEventListener("click", (event) => {
    const button = event.target.closest("#library [data-pick], #library [data-close]");
    if (!button) return;
    event.preventDefault();
    if (button.matches("[data-close]")) close();
    else pick().catch(() => form.requestSubmit(button)); // the form does the same
  });

  form.addEventListener("keydown", (event) => {
    if (event.target.id === "library-q" && event.key === "Enter") event.preventDefault();
    if (event.key === "Escape" && event.target.closest("#library")) close();
  });

  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.target.id === "library") library().querySelector("input[type=search]")?.focus();
  });

  document.documentElement.classList.add("moves");
})();
