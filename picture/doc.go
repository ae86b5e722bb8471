// Package picture keeps the pictures of users and groups, and makes those that
// nobody has uploaded: a coloured tile for a user, and for a group a mosaic of
// its eldest members.
//
// # Uploading
//
// [Service.Put] takes PNG, JPEG, GIF (its first frame) and WebP of up to 5 MB and
// 40 megapixels. Size and cost are judged by the header, before anything is
// decoded; one upload is decoded at a time and takes 320 MB at most, a usual
// photograph less than a tenth of it. What is kept is drawn anew: the middle
// square, turned as the camera held it, in 512 and 96 pixels, as JPEG. So neither
// the place where a photograph was taken nor anything else beside the pixels gets
// any further.
//
// # Keeping
//
// Pictures are files named by their content. [Service.Assign] says whose they are;
// a picture that is nobody's any more is shown no more at once, and removed with
// the next upload or within a minute. Mosaics with it are shown no more either, and
// go when the cache has no room for them.
//
// # Showing
//
// [Service.Face] is one picture, [Service.Mosaic] one made of up to nine. A mosaic
// is made when it is first asked for, once for all who ask, and one at a time; it
// is kept in a cache on disk under a hash of what it was made of, so that a change
// of a member or of a member's picture is another mosaic. The cache may be lost.
//
// # Names
//
// [Service.Name] is the name of a user's or group's picture in public addresses:
// its owner, encrypted. It cannot be guessed, tells nothing, and stays the same
// when the picture changes. It is all that it takes to see the picture: who has
// ever been told it, as a member of a group or by one who was, sees what its owner
// looks like until the owner is removed or dissolved, also after he has left the
// group. Only who is in the group is told it.
package picture
