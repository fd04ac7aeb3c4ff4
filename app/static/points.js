// The point of a picture that a crop keeps: any point by pointer, one of nine by keyboard.

document.addEventListener("click", (event) => {
  const radio = event.target;
  if (!radio.matches("[data-points] input")) return;
  if (event.detail) {
    const { left, top, width, height } = radio.parentElement.getBoundingClientRect();
    const share = (from, size) => Number(Math.max(0, Math.min(1, from / size)).toFixed(3));
    radio.value = `${share(event.clientX - left, width)},${share(event.clientY - top, height)}`;
    radio.dispatchEvent(new Event("change", { bubbles: true }));
  } else radio.value = radio.dataset.at; // by keyboard it is the field itself
});

document.addEventListener("change", (event) => {
  const radio = event.target;
  const circle = radio.matches("[name^='focus-']") && radio.closest("fieldset").querySelector("circle");
  if (!circle) return;
  const [x, y] = (radio.value || radio.dataset.at).split(",");
  circle.setAttribute("cx", `${x * 100}%`);
  circle.setAttribute("cy", `${y * 100}%`);
});
