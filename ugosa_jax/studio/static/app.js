// Entry point: shows the page that belongs to the address.

import { root } from "./api.js";
import { h } from "./dom.js";
import { showHome } from "./home.js";
import { restoreTheme } from "./palette.js";
import { showSong } from "./song.js";

restoreTheme();
const app = document.getElementById("app");
const id = /\/song\/([0-9a-f]+)$/.exec(location.pathname)?.[1];
(id ? showSong(app, id) : showHome(app)).catch((error) => {
  console.error(error);
  app.replaceChildren(h("main", { class: "home" }, h("div", { class: "drop failed" }, h("h2", {}, "This page cannot be shown"), h("p", {}, error.message),
    h("div", { class: "line" }, h("button", { type: "button", onclick: () => location.reload() }, "Try again"), h("a", { href: `${root}/` }, "All songs")))));
});
