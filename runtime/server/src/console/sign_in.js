// The view that takes a token.

import { token } from "./api.js";
import { h, title } from "./dom.js";

/** Asks for a token, keeps it for this tab, and calls `again`. */
export function signIn(root, error, again) {
  const wasRefused = token.get() !== null;
  token.forget();
  const input = h("input", {
    id: "token", type: "password", autocomplete: "current-password", required: true,
    spellcheck: "false", "aria-describedby": "token-help",
  });
  const submit = (event) => {
    event.preventDefault();
    token.set(input.value.trim());
    again();
  };
  root.replaceChildren(
    title("Sign in"),
    h("form", { class: "sign-in", onsubmit: submit },
      h("p", { id: "token-help" },
        "This server asks for a token. ", h("code", null, "pelton token create NAME"),
        " makes one. It is kept until this tab is closed."),
      wasRefused && h("p", { class: "error", role: "alert" }, String(error)),
      h("label", { for: "token" }, "Token"),
      input,
      h("button", { type: "submit", class: "primary" }, "Sign in")));
  input.focus();
}
