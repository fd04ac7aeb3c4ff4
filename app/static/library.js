// The library's filters stay in the address, and the composer's dialog opens and closes. Every page works without this file.

(() => {
  const picker = document.getElementById("picker");
  const composer = document.getElementById("composer");

  document.body.addEventListener("htmx:afterSwap", ({ detail }) => {
    const path = detail.pathInfo.finalRequestPath || detail.pathInfo.requestPath;
    if (detail.target.id === "shelf") history.replaceState(null, "", path.replace(/\w+=(&|$)/g, "").replace(/[?&]$/, ""));
    if (detail.target === picker && !picker.open) picker.showModal();
    if (picker && path.startsWith("/library/picked")) {
      picker.close();
      composer.dispatchEvent(new Event("arrived"));
    }
  });

  picker?.addEventListener("click", (event) => {
    if (event.target === picker || event.target.closest("[data-close]")) picker.close();
  });

  picker?.addEventListener("close", () => picker.replaceChildren());
})();
