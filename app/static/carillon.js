// Four conveniences; every page works without this file.

// An account's own section of the composer appears as soon as the account is chosen.
document.addEventListener("change", (event) => {
  const own = event.target.name === "account" && document.getElementById(`own-${event.target.value}`);
  if (own) own.hidden = !event.target.checked;
});

// What typed.js keeps for a step back is nobody's business elsewhere.
try {
  if (!document.getElementById("composer")) sessionStorage.removeItem("carillon-typed");
} catch {
  // a browser that keeps nothing has nothing to forget
}

// On first visit the time zone is the browser's own, if we know it.
document.addEventListener("DOMContentLoaded", () => {
  const zone = document.querySelector("select[data-browser-zone]");
  const key = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && zone.querySelector(`option[value="${CSS.escape(key)}"]`)) zone.value = key;
});

// A press elsewhere closes the menu.
document.addEventListener("click", (event) => {
  const menu = document.querySelector("details.menu[open]");
  if (menu && !menu.contains(event.target)) menu.open = false;
});
