// Asking before something is done.

import { h } from "./dom.js";

/** Asks, and answers whether to go on. Escape and Cancel say no. */
export function confirmed(question, details, action) {
  return new Promise((answer) => {
    const close = (value) => () => dialog.close(value);
    const dialog = h("dialog", { "aria-labelledby": "question" },
      h("h2", { id: "question" }, question),
      h("p", null, details),
      h("p", { class: "actions" },
        h("button", { type: "button", onclick: close("") }, "Cancel"),
        h("button", { type: "button", class: "primary", onclick: close("yes") }, action)));
    dialog.onclose = () => {
      dialog.remove();
      answer(dialog.returnValue === "yes");
    };
    document.body.append(dialog);
    dialog.showModal();
  });
}
