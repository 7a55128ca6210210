// Goes on once every application has signed out in its frame, or has had its time; without scripts a header does.
(() => {
  const link = document.getElementById("leave");
  if (!link) return;
  let left = false;
  const leave = () => {
    if (!left) location.replace(link.href);
    left = true;
  };
  // The window's load event waits for the frames.
  if (document.readyState === "complete") leave();
  else addEventListener("load", leave, { once: true });
  setTimeout(leave, 3000);
})();
