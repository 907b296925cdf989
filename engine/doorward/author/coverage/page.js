"use strict";
(() => {
	const missing = [...document.querySelectorAll(".line-missed")];
	let at = -1;
	const go = (step) => {
		if (!missing.length) return;
		missing[at]?.classList.remove("here");
		at = (at + step + missing.length) % missing.length;
		const line = missing[at];
		line.closest("details").open = true;
		line.classList.add("here");
		line.scrollIntoView({ block: "center" });
	};
	document.getElementById("next").addEventListener("click", () => go(1));
	document.getElementById("previous").addEventListener("click", () => go(at < 0 ? 0 : -1));
	document.addEventListener("keydown", (event) => {
		if (event.ctrlKey || event.metaKey || event.altKey) return;
		if (event.key === "n") go(1);
		if (event.key === "p") go(at < 0 ? 0 : -1);
	});
	for (const link of document.querySelectorAll("main > table a")) {
		link.addEventListener("click", () => {
			document.querySelector(link.getAttribute("href")).open = true;
		});
	}
	for (const button of document.querySelectorAll(".tools button")) button.disabled = !missing.length;
})();
