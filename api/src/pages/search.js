// Filters the reference by the words in the search field, and opens what an address points to.
const field = document.getElementById("search");
const entries = [...document.querySelectorAll("main details")];
const texts = new Map(entries.map((entry) => [entry, entry.textContent.toLowerCase()]));

function filter() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const entry of entries) entry.hidden = !words.every((word) => texts.get(entry).includes(word));
  for (const section of document.querySelectorAll("main section")) {
    const own = [...section.querySelectorAll("details")];
    section.hidden = words.length > 0 && own.every((entry) => entry.hidden);
  }
  document.getElementById("nothing").hidden = entries.some((entry) => !entry.hidden);
}

function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  if (target.closest("[hidden]")) { field.value = ""; filter(); }
  if (target instanceof HTMLDetailsElement) target.open = true;
  target.scrollIntoView();
}

field.addEventListener("input", filter);
addEventListener("hashchange", openTarget);
addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== field) { event.preventDefault(); field.focus(); }
});
field.hidden = false;
openTarget();
