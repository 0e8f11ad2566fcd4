// Segment the nuclei of the open image with napari-unet-nuclei: outlines go to the ROI Manager, measurements to a table.
//
// Install it with Plugins > Macros > Install..., or drop it on ImageJ and press Run. napari-unet-nuclei must be
// installed too; where it is not on the search path, give the full path of the program, which is remembered.
//
// From other macros: runMacro(".../Segment_Nuclei.ijm", "program=/path/to/napari-unet-nuclei channel=2 cell=5um");
// without an argument it asks. Channels are counted from 1, as ImageJ does.

program = call("ij.Prefs.get", "napari-unet-nuclei.program", "napari-unet-nuclei");
kind = "automatic";
channel = "automatic";
cell = "";
image = getImageID();
getDimensions(width, height, channels, slices, frames);
argument = getArgument();
if (argument == "") {
	Dialog.create("Segment nuclei");
	Dialog.addString("Program", program, 40);
	Dialog.addChoice("Kind of image", newArray("automatic", "bright nuclei on dark", "dark nuclei on bright"), kind);
	if (channels > 1) {
		// The one on the screen shows the nuclei, unless the user says otherwise.
		Stack.getPosition(shown, slice, frame);
		choices = newArray("automatic");
		for (i = 1; i <= channels; i++) choices = Array.concat(choices, "" + i);
		Dialog.addChoice("Channel with the nuclei", choices, "" + shown);
	}
	Dialog.addString("Cell: grow nuclei by (5um, 12px; empty for none)", cell, 8);
	Dialog.show();
	program = Dialog.getString();
	kind = Dialog.getChoice();
	if (channels > 1) channel = Dialog.getChoice();
	cell = Dialog.getString();
} else {
	program = valueOf("program", program);
	kind = valueOf("kind", kind);
	channel = valueOf("channel", channel);
	cell = valueOf("cell", cell);
}
call("ij.Prefs.set", "napari-unet-nuclei.program", program);
kind = replace(kind, " nuclei on .*", "");

folder = getDirectory("temp") + "napari-unet-nuclei-" + d2s(getTime(), 0) + File.separator;
File.makeDirectory(folder);
// A copy, so that the open image keeps its name, its file and its selection.
selected = selectionType() >= 0;
run("Select None");
setBatchMode(true);
run("Duplicate...", "title=image duplicate");
saveAs("Tiff", folder + "image.tif");
close();
setBatchMode(false);
selectImage(image);
if (selected) run("Restore Selection");

showStatus("Segmenting nuclei...");
out = folder + "results";
// exec takes no lists, so that an option that is not asked for says the kind once more.
channelOption = newArray("--kind", kind);
if (channel != "automatic") channelOption = newArray("--channel", "" + (parseInt(channel) - 1));
cellOption = newArray("--kind", kind);
if (cell != "") cellOption = newArray("--cell", cell);
said = exec(program, "segment", folder + "image.tif", "--out", out, "--kind", kind, "--rois", "--json", "--quiet",
	channelOption[0], channelOption[1], cellOption[0], cellOption[1]);

table = out + File.separator + "image_table.csv";
if (!File.exists(table)) {
	reason = errorIn(said);
	if (channels > 1 && channel == "automatic")
		reason = reason + "\nHere channels are counted from 1: choose one in the dialog, or with channel=1 from a macro.";
	if (reason != "") exit("The nuclei were not segmented.\n" + reason);
	exit("The nuclei were not segmented. Check that this program runs in a terminal:\n" + program + "\nIt said:\n" + said);
}
// Added to what the manager holds already.
rois = out + File.separator + "image_rois.zip";
if (File.exists(rois)) roiManager("Open", rois);
open(table);
showStatus("Nuclei are in the ROI Manager.");

function valueOf(key, usual) {
	parts = split(argument, " ");
	for (i = 0; i < parts.length; i++) {
		if (startsWith(parts[i], key + "=")) return substring(parts[i], lengthOf(key) + 1);
	}
	return usual;
}

// What the program says of the image in its JSON, if that is why it could not segment it.
function errorIn(said) {
	mark = "\"error\": \"";
	start = indexOf(said, mark);
	if (start < 0) return "";
	text = substring(said, start + lengthOf(mark));
	return substring(text, 0, indexOf(text, "\",\n"));
}
