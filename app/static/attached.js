// What a person does with attached files without a reload: move them, and choose what a crop keeps.
// Without this file every button here sends the form, which then comes back changed.

(() => {
  const form = document.getElementById("composer");
  if (!form) return;

  const news = document.getElementById("upload-news");
  const shared = document.getElementById("media-list");
  const items = (list) => [...list.children].filter((each) => each.matches("[data-item]"));
  const changed = (node) => node.dispatchEvent(new Event("change", { bubbles: true }));

  // --- the order

  function settled(list, item) {
    const all = items(list);
    all.forEach((each, index) => {
      for (const place of each.querySelectorAll("[data-number]")) place.textContent = index + 1;
    });
    news.textContent = `Moved: now number ${all.indexOf(item) + 1} of ${all.length}.`;
    changed(form);
  }

  function step(button) {
    const item = button.closest("[data-item]");
    const all = items(item.parentElement);
    const by = Number(button.dataset.move);
    const other = all[all.indexOf(item) + by];
    if (!other) return;
    if (by < 0) other.before(item);
    else other.after(item);
    settled(item.parentElement, item);
    button.focus();
    // at an end the button of that way is hidden
    if (getComputedStyle(button).visibility === "hidden") item.querySelector(`[data-move="${-by}"]`).focus();
  }

  form.addEventListener("click", (event) => {
    const button = event.target.closest("[data-move]");
    if (!button) return;
    event.preventDefault();
    step(button);
  });

  // By its picture a file is dragged to its place, with a mouse, a pen or a finger. Escape puts it back.
  form.addEventListener("pointerdown", (event) => {
    const item = event.target.closest(".thumb")?.parentElement;
    if (!item?.matches("[data-item]") || event.button) return;
    event.preventDefault();
    const list = item.parentElement;
    const next = item.nextSibling;
    const edge = 80; // pixels from the window's upper and lower end, where it scrolls
    const follow = ({ clientX, clientY }) => {
      item.classList.add("dragged");
      if (clientY < edge || clientY > innerHeight - edge) scrollBy(0, clientY < edge ? -16 : 16);
      const over = document.elementFromPoint(clientX, clientY)?.closest("[data-item]");
      if (!over || over === item || over.parentElement !== list) return;
      const { top, height } = over.getBoundingClientRect();
      const all = items(list);
      const later = all.indexOf(over) > all.indexOf(item);
      if (later && clientY > top + height / 2) over.after(item);
      else if (!later && clientY < top + height / 2) over.before(item);
    };
    const end = (last) => {
      if (last.type === "keydown" && last.key !== "Escape") return;
      window.removeEventListener("pointermove", follow);
      for (const name of ["pointerup", "pointercancel", "keydown"]) window.removeEventListener(name, end);
      item.classList.remove("dragged");
      if (last.type !== "pointerup") list.insertBefore(item, next);
      else if (item.nextSibling !== next) settled(list, item);
    };
    window.addEventListener("pointermove", follow);
    for (const name of ["pointerup", "pointercancel", "keydown"]) window.addEventListener(name, end);
  });

  // --- what a crop keeps: the same as platforms/fitting decides

  const ALIKE = 0.004;
  const between = (least, value, most) => Math.max(least, Math.min(most, value));

  function shade(fit) {
    const picture = fit.querySelector("[data-points] img");
    const [width, height] = [Number(picture.getAttribute("width")), Number(picture.getAttribute("height"))];
    const chosen = fit.querySelector("[name^='focus-']:checked");
    const [x, y] = (chosen.value || chosen.dataset.at).split(",").map(Number);
    const [across, down] = fit.querySelector("[name^='ratio-']:checked").value.split(":").map(Number);
    const ratio = across / down;
    const path = fit.querySelector(".shade path");
    if (!ratio || Math.abs(width / height / ratio - 1) <= ALIKE) {
      path.removeAttribute("d");
      return;
    }
    const [w, h] = [Math.min(width, height * ratio), Math.min(height, width / ratio)];
    const [left, top] = [between(0, x * width - w / 2, width - w), between(0, y * height - h / 2, height - h)];
    path.setAttribute("d", `M0 0h${width}v${height}H0zM${left} ${top}h${w}v${h}h-${w}z`);
  }

  // Beside the fold, for whoever closes it: in the words of the macro `fitted`.
  function say(fit) {
    const value = (name) => fit.querySelector(`[name^="${name}-"]:is(:checked, [type=text])`)?.value ?? "";
    const way = { ask: "", crop: value("ratio") ? "" : "cropped", pad: "with border" }[value("shape")];
    const end = fit.querySelector("[name^='to-']")?.placeholder;
    const cut = (value("from") || value("to")) && `${value("from") || 0}–${value("to") || end} s`;
    fit.querySelector("[data-said]").textContent = [value("ratio"), way, cut].filter(Boolean).join(", ");
  }

  form.addEventListener("change", (event) => {
    const fit = event.target.closest?.(".fit");
    if (!fit) return;
    // who chose a shape was asked, and the server takes it so
    if (event.target.name.startsWith("ratio-") && event.target.value && fit.querySelector("[value=ask]:checked")) {
      fit.querySelector("[value=crop]").checked = true;
    }
    shade(fit);
    say(fit);
  });

  form.addEventListener("input", (event) => {
    if (event.target.closest(".from-to")) say(event.target.closest(".fit"));
  });

  // --- an account with files of its own is offered what comes to the post, and what goes from it no more

  const there = () => items(shared).map((each) => each.querySelector("[name=media]").value).sort().join();
  let known = there();

  new MutationObserver(() => {
    if (known === there()) return;
    known = there();
    for (const button of form.querySelectorAll("[data-refresh]")) button.dispatchEvent(new Event("refresh"));
  }).observe(shared, { childList: true });

  document.documentElement.classList.add("moves");
})();
