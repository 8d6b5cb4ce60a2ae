// What makes this page hard to read, one line each; "" when nothing does: text
// wider than the window, and text whose contrast with what is behind it is
// below 4.5 (WCAG 2.2, success criterion 1.4.3).
(() => {
  const found = [];
  const root = document.documentElement;
  if (root.scrollWidth > window.innerWidth) found.push(`the page is ${root.scrollWidth} wide, the window ${window.innerWidth}`);
  const channels = (colour) => {
    const numbers = colour.match(/[\d.]+/g).map(Number);
    return numbers.length < 4 ? [...numbers, 1] : numbers;
  };
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = channels(getComputedStyle(e).backgroundColor);
      if (colour[3] === 1) return colour;
    }
    return [255, 255, 255, 1];
  };
  const luminance = (colour) => {
    const [r, g, b] = colour.slice(0, 3).map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  for (const e of document.body.querySelectorAll("*")) {
    const own = [...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.textContent.trim());
    if (!own || !e.checkVisibility()) continue;
    const text = e.textContent.trim().slice(0, 40);
    const [a, b] = [luminance(channels(getComputedStyle(e).color)), luminance(behind(e))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) found.push(`"${text}": contrast ${contrast.toFixed(2)}`);
    if (e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0) found.push(`"${text}": ${e.scrollWidth} wide in ${e.clientWidth}`);
  }
  return found.join("\n");
})();
