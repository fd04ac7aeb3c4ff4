// Back, from the page that said what is wrong, leads to all that was typed and chosen, not to an empty form.
// It is kept for that one step, in this tab only: carillon.js forgets it on every other page.

(() => {
  const form = document.getElementById("composer");
  const KEY = "carillon-typed";
  const [arrival] = performance.getEntriesByType("navigation");

  function kept() {
    try {
      return JSON.parse(sessionStorage.getItem(KEY));
    } catch {
      return null;
    }
  }

  function keep(what) {
    try {
      if (what) sessionStorage.setItem(KEY, JSON.stringify(what));
      else sessionStorage.removeItem(KEY);
    } catch {
      // without it Back is what it is without this file
    }
  }

  // The server makes a page of it, as of any form whose button saves nothing; it takes the place of the empty one.
  function again(fields) {
    const copy = document.createElement("form");
    const target = { method: "post", enctype: "multipart/form-data", action: form.getAttribute("action"), hidden: true };
    Object.assign(copy, target);
    const own = [...new FormData(form)].filter(([name]) => name === "_csrf_token");
    for (const [name, value] of [...own, ["action", "preview"], ...fields]) {
      const field = document.createElement("textarea"); // an input would lose the ends of lines
      Object.assign(field, { name, value });
      copy.append(field);
    }
    document.body.append(copy);
    HTMLFormElement.prototype.submit.call(copy); // a field is called action, and another could be called submit
  }

  const last = kept();
  if (document.querySelector("#summary, #notice")) {
    if (last) keep({ ...last, wrong: true });
  } else {
    keep(null);
    if (last?.wrong && last.path === location.pathname && arrival?.type === "back_forward") again(last.fields);
  }

  window.addEventListener("submit", (event) => {
    if (event.target !== form || event.defaultPrevented) return;
    const fields = [...new FormData(form)].filter(([name, value]) => name !== "_csrf_token" && typeof value === "string");
    keep({ path: location.pathname, fields });
  });
})();
