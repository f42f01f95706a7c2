// Called with what is asked for; gives what is wrong, a line each.
({ isDark, mayScroll }) => {
  const wrong = [];
  const root = document.documentElement;
  // What is folded up has to fit, too.
  for (const part of document.querySelectorAll("details")) {
    part.open = true;
  }
  if (root.scrollWidth > root.clientWidth) {
    wrong.push(`the page is ${root.scrollWidth} px wide in a window of ${root.clientWidth} px`);
  }
  const [red, green, blue, opacity] = getComputedStyle(document.body)
    .backgroundColor.match(/[\d.]+/g)
    .map(Number);
  const brightness = opacity === 0 ? 255 : (red + green + blue) / 3;
  if (brightness < 128 !== isDark) {
    wrong.push(`the page is not ${isDark ? "dark" : "light"} where that is asked for`);
  }
  const named = (element, text) => {
    const kind = element.getAttribute("class");
    const name = element.localName + (kind ? `.${kind}` : "");
    return `${name} "${text.trim().slice(0, 40)}"`;
  };
  const scrolls = (element) => /auto|scroll/.test(getComputedStyle(element).overflowX);
  for (const element of document.body.querySelectorAll("*")) {
    if (!mayScroll && scrolls(element) && element.scrollWidth > element.clientWidth) {
      wrong.push(`${named(element, element.textContent)} scrolls sideways`);
    }
  }
  // The box that holds the text of an element: a drawing, or the nearest that is no part of a line.
  const boxOf = (element) => {
    let holder = element.ownerSVGElement ?? element;
    while (holder.ownerSVGElement) {
      holder = holder.ownerSVGElement;
    }
    while (/^(inline|contents)$/.test(getComputedStyle(holder).display)) {
      holder = holder.parentElement;
    }
    return holder;
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  while (texts.nextNode()) {
    const text = texts.currentNode;
    const element = text.parentElement;
    if (!text.data.trim() || !element.checkVisibility()) {
      continue;
    }
    const holder = boxOf(element);
    if (mayScroll && scrolls(holder)) {
      continue;
    }
    const clips = getComputedStyle(holder).overflowX !== "visible";
    const isDrawing = holder.localName === "svg";
    // Labels of an axis stand out of it, into the margin of the page.
    const box = isDrawing && !clips ? { left: 0, right: root.clientWidth } : holder.getBoundingClientRect();
    range.selectNodeContents(text);
    const isOut = (line) => line.width > 0 && (line.left < box.left - 1 || line.right > box.right + 1);
    if ([...range.getClientRects()].some(isOut)) {
      wrong.push(`${named(element, text.data)} is wider than its box`);
    }
  }
  return wrong;
}
