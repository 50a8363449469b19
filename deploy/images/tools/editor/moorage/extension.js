// What Moorage adds to the editor: the way back to its own pages, and the devfile's commands as tasks.
const { offerTheWayBack } = require("./back");
const { offerTasks } = require("./tasks");

exports.activate = (context) => {
  offerTheWayBack(context);
  offerTasks(context);
};
