// Marks entities in the text of the page /labels, by pointer and by keyboard. Places count code points.
"use strict";

function markEntities(quote, form) {
  const letters = Array.from(quote.textContent);
  const words = [...quote.querySelectorAll(".word")].map((one) => ({ start: Number(one.dataset.start), end: Number(one.dataset.end) }));
  const field = document.getElementById("spans");
  const list = document.getElementById("marks");
  let marks = [];
  // The words from one to the other are chosen; none before the first key.
  let anchor = -1;
  let focus = -1;

  const sliced = (start, end) => letters.slice(start, end).join("");
  const chosenWords = () => {
    if (focus < 0) return null;
    return { start: words[Math.min(anchor, focus)].start, end: words[Math.max(anchor, focus)].end };
  };

  const selected = () => {
    const selection = window.getSelection();
    if (!selection.rangeCount || selection.isCollapsed) return null;
    const range = selection.getRangeAt(0);
    if (!quote.contains(range.startContainer) || !quote.contains(range.endContainer)) return null;
    const before = document.createRange();
    before.selectNodeContents(quote);
    before.setEnd(range.startContainer, range.startOffset);
    let start = Array.from(before.toString()).length;
    let end = start + Array.from(range.toString()).length;
    while (start < end && !letters[start].trim()) start += 1;
    while (start < end && !letters[end - 1].trim()) end -= 1;
    return start < end ? { start, end } : null;
  };

  const draw = () => {
    const chosen = chosenWords() || { start: -1, end: -1 };
    const edges = [0, letters.length, chosen.start, chosen.end, ...marks.flatMap((one) => [one.start, one.end])];
    const places = [...new Set(edges)].filter((place) => place >= 0).sort((one, other) => one - other);
    const parts = places.slice(0, -1).map((start, number) => {
      const end = places[number + 1];
      const mark = marks.find((one) => one.start <= start && end <= one.end);
      const part = document.createElement(mark ? "mark" : "span");
      part.textContent = sliced(start, end);
      if (mark) part.className = "entity";
      // Drawn by the style sheet, so that it is no part of the text.
      if (mark && mark.end === end) part.dataset.type = mark.label;
      if (chosen.start <= start && end <= chosen.end) part.classList.add("chosen");
      return part;
    });
    quote.replaceChildren(...parts);
    list.replaceChildren(...marks.map((mark) => {
      const entry = document.createElement("li");
      const remove = document.createElement("button");
      remove.type = "button";
      remove.className = "quiet";
      remove.textContent = "Remove";
      remove.setAttribute("aria-label", `Remove ${sliced(mark.start, mark.end)}, ${mark.label}`);
      remove.addEventListener("click", () => { marks = marks.filter((one) => one !== mark); draw(); });
      entry.append(`${sliced(mark.start, mark.end)}: ${mark.label} `, remove);
      return entry;
    }));
    field.value = JSON.stringify(marks);
  };

  const without = (range) => marks.filter((one) => one.end <= range.start || range.end <= one.start);
  const mark = (label) => {
    const range = selected() || chosenWords();
    if (!range) return;
    marks = [...without(range), { start: range.start, end: range.end, label }].sort((one, other) => one.start - other.start);
    window.getSelection().removeAllRanges();
    draw();
  };

  form.querySelectorAll("[data-type]").forEach((button) => {
    // The selection must not go with the click.
    button.addEventListener("pointerdown", (event) => event.preventDefault());
    button.addEventListener("click", () => mark(button.dataset.type));
  });

  quote.addEventListener("pointerdown", () => {
    anchor = focus = -1;
    // Not drawn anew: a selection begins in what is under the pointer.
    quote.querySelectorAll(".chosen").forEach((one) => one.classList.remove("chosen"));
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !words.length) return;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) {
      const next = focus < 0 ? (step > 0 ? 0 : words.length - 1) : focus + step;
      focus = Math.max(0, Math.min(words.length - 1, next));
      if (!event.shiftKey || anchor < 0) anchor = focus;
      window.getSelection().removeAllRanges();
    } else if (event.key === "Backspace" || event.key === "Delete") {
      const range = selected() || chosenWords();
      if (range) marks = without(range);
    } else if (event.key === "Escape") {
      anchor = focus = -1;
    } else {
      return;
    }
    event.preventDefault();
    draw();
  });
  // What the browser kept of a page that was left is not what is shown.
  window.addEventListener("pageshow", draw);
  draw();
}

const marked = document.querySelector("#text.pieces");
if (marked) markEntities(marked, document.getElementById("label-form"));
