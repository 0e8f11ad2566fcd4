// Segment the nuclei of the open image with napari-unet-nuclei: outlines go to the ROI Manager, measurements to a table.
//
// Install it with Plugins > Macros > Install..., or drop it on ImageJ and press Run. napari-unet-nuclei must be
// installed too; where it is not on the search path, give the full path of the program, which is remembered.
//
// From other macros: runMacro(".../Segment_Nuclei.ijm", "program=/path/to/napari-unet-nuclei kind=automatic cell=5um");
// without an argument it asks.

program = call("ij.Prefs.get", "napari-unet-nuclei.program", "napari-unet-nuclei");
kind = "automatic";
cell = "";
argument = getArgument();
if (argument == "") {
	Dialog.create("Segment nuclei");
	Dialog.addString("Program", program, 40);
	Dialog.addChoice("Kind of image", newArray("automatic", "bright nuclei on dark", "dark nuclei on bright"), kind);
	Dialog.addString("Cell: grow nuclei by (5um, 12px; empty for none)", cell, 8);
	Dialog.show();
	program = Dialog.getString();
	kind = Dialog.getChoice();
	cell = Dialog.getString();
} else {
	program = valueOf("program", program);
	kind = valueOf("kind", kind);
	cell = valueOf("cell", cell);
}
call("ij.Prefs.set", "napari-unet-nuclei.program", program);
kind = replace(kind, " nuclei on .*", "");

image = getImageID();
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
if (cell == "")
	said = exec(program, "segment", folder + "image.tif", "--out", out, "--kind", kind, "--rois", "--json", "--quiet");
else
	said = exec(program, "segment", folder + "image.tif", "--out", out, "--kind", kind, "--rois", "--json", "--quiet", "--cell", cell);

table = out + File.separator + "image_table.csv";
if (!File.exists(table)) {
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
